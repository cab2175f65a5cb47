#!/usr/bin/env bash
# Breaks the cross-thread protocol in one place at a time and demands that the loom models notice.
#
# Works on a temporary copy of the tree. Fails if a mutant survives, if the unbroken protocol does
# not pass, or if a mutant does not apply any more (then the code has moved: adapt it).
#
# Known to survive, and kept right by reading (rules 3 and 4 of executor/src/task/mod.rs):
#   - Relaxed instead of AcqRel where a foreign reference is given back: what it orders is the
#     freeing of plain memory, which loom does not watch;
#   - not pinning the core while a message is sent: the core is an `Arc` of std's.
#
# Usage: tests/mutants.sh [name of one mutant]
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/mutants-common.sh

only="${1:-}"
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
target="${CARGO_TARGET_DIR:-$PWD/target}/mutants"
survivors=0

tree() {
    rm -rf "${copy:?}/tree"
    copy_tree "$copy/tree"
    # Newer than whatever an earlier mutant or run has built.
    find "$copy/tree/executor/src" -name '*.rs' -exec touch {} +
}

# Runs the models in the copy; prints which failed. Status 0: all passed.
models() {
    local log="$copy/log"
    (
        cd "$copy/tree"
        export RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="$target"
        cargo test -q -p lunation-executor --release --lib --no-run >"$log" 2>&1 || exit 2
        # The largest models take longer than all others and are not needed for any mutant.
        RUST_BACKTRACE=0 timeout 300 cargo test -p lunation-executor --release --lib loom -- \
            --test-threads=1 --skip two_threads >"$log" 2>&1 || exit 1
    ) && return 0
    local status=$?
    if [ "$status" -eq 2 ]; then
        cat "$log" >&2
        echo "a mutant does not compile" >&2
        exit 2
    fi
    # One that crashes is the last line.
    sed -n '/ \.\.\. ok$/d; s/^test .*::loom_\([a-z_]*\) \.\.\. .*/\1/p' "$log" | paste -sd,
    return 1
}

# mutant NAME FILE PERL-SUBSTITUTION
mutant() {
    local name="$1" file="executor/src/task/$2" change="$3" killers
    [ -z "$only" ] || [ "$only" = "$name" ] || return 0
    tree
    perl -0pi -e "$change" "$copy/tree/$file"
    if cmp -s "$file" "$copy/tree/$file"; then
        echo "mutant $name does not apply to $file" >&2
        exit 2
    fi
    if killers="$(models)"; then
        survivors=$((survivors + 1))
        printf '%-28s %s\n' "$name" "SURVIVED"
    else
        printf '%-28s killed by %s\n' "$name" "$killers"
    fi
}

tree
if failed="$(models)"; then
    printf '%-28s %s\n' "(none)" "passes"
else
    echo "the models fail without a mutant: $failed" >&2
    exit 1
fi

# A message that finds the inbox closed is left there.
mutant push-when-closed inbox.rs 's/while found != CLOSED \{/loop {/; s/(Err\(now\) => found = now,\s*\}\s*\})(\s*\/\/ After what the owner)/$1\n        #[allow(unreachable_code)]$2/'
# What was sent before the inbox closes is left there.
mutant no-last-look inbox.rs 's/self\.keep\((self\.head\.0\.swap\(CLOSED, Ordering::AcqRel\))\)/$1/'
# A sender that finds the inbox closed does not know the merged counts.
mutant no-fence-when-closed inbox.rs 's/fence\(Ordering::Acquire\);//'
# Nobody calls a loop that sleeps.
mutant sleeper-not-called inbox.rs 's/Ok\(_\) if found == SLEEPING => return Pushed::WakeOwner,//'
# A loop goes to sleep over a message.
mutant sleep-over-message inbox.rs \
    's/self\.replace\(EMPTY, SLEEPING\)/{ self.head.0.swap(SLEEPING, Ordering::Relaxed); true }/'
# The owner does not see what lies in an entry that it takes.
mutant relaxed-push inbox.rs 's/Ordering::Release, Ordering::Relaxed/Ordering::Relaxed, Ordering::Relaxed/'
mutant relaxed-take inbox.rs 's/swap\(EMPTY, Ordering::Acquire\)/swap(EMPTY, Ordering::Relaxed)/'
# The owner's last reference is taken for the last of all.
mutant free-with-foreign life.rs \
    's/(if self\.local\.get\(\) == 1) && self\.shared\.load\(Ordering::Acquire\) == 0/$1/'
# A foreign drop takes what is counted in `local` from the foreign count.
mutant drop-below-zero life.rs \
    's/(fn drop_remote.*?)if shared \/ ONE == 0 \{\s*return RemoteDropped::SendDrop;\s*\}\s*let next = shared - ONE;/$1let next = shared.wrapping_sub(ONE);/s'
# A wake that finds another under way only looks.
mutant coalesced-load life.rs \
    's/(self\.shared\.fetch_or\(NOTIFIED)/if self.shared.load(Ordering::Relaxed) & NOTIFIED != 0 { return false; }\n        $1/'
# A task is freed while a wake of it is under way.
mutant free-under-wake-local life.rs \
    's/(self\.local\.get\(\) == 1 && self\.shared\.load\(Ordering::Acquire\)) == 0/$1 \/ ONE == 0/'
mutant free-under-wake-merge life.rs \
    's/(fetch_or\(MERGED, Ordering::AcqRel\)) == 0/$1 \/ ONE == 0/'
mutant free-under-wake-remote life.rs 's/Ok\(_\) if next == MERGED/Ok(_) if next | NOTIFIED == MERGED | NOTIFIED/'
mutant free-under-wake-last life.rs \
    's/(fetch_sub\(ONE, Ordering::AcqRel\)) == ONE \| MERGED/$1 \/ ONE == 1/'
# Nobody frees a task of which a wake has the last reference.
mutant wake-never-last life.rs \
    's/(fetch_sub\(NOTIFIED, Ordering::AcqRel\)) == NOTIFIED \| MERGED/$1 == 0/'
# The walk at the end of the runtime revives a cell whose `Free` is under way.
mutant revive-at-end life.rs 's/\(shared \/ ONE > 0\)\.then_some/true.then_some/'
# A wake is for ever taken for one under way.
mutant notified-for-ever waker.rs 's/life\.take_notification_remote\(\)/false/'
# The end of the runtime forgets the references counted in `local`.
mutant no-merge-at-close queue.rs 's/\.merge_at_close_remote\(\)/.has_handle()/'
# The end of the runtime merges what was merged before.
mutant merge-twice life.rs \
    's/if self\.shared\.load\(Ordering::Relaxed\) & MERGED == 0 \{(\s*self\.shared\.fetch_add\(u32::from\(local\))/{$1/'
# Who takes the foreign count to zero after the merge tells nobody.
mutant no-free life.rs 's/return RemoteDropped::SendFree/return RemoteDropped::Alive/'

if [ "$survivors" -ne 0 ]; then
    echo "$survivors mutants survived" >&2
    exit 1
fi
