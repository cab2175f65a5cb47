# What the scripts that plant mutants share. To be sourced in the project's folder.

# copy_tree <folder>: makes it, with the files of the tree that git knows or would take in.
copy_tree() {
    mkdir "$1"
    git ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from=- --ignore-failed-read 2>/dev/null |
        tar --extract --directory="$1"
}

# is_wanted <name> [word...]: whether a mutant's name contains one of the words, or there is none.
is_wanted() {
    local name=$1 word
    shift
    [ $# -gt 0 ] || return 0
    for word in "$@"; do
        [[ $name == *"$word"* ]] && return 0
    done
    return 1
}
