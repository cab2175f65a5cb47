#!/usr/bin/env bash
# Shows that the owner thread pays for no other thread. In the release build of the benchmarks
#   1. every locked instruction of the library (also a fence, and xchg with memory) lies in a function
#      named *_remote that is called and not inlined, or in what is excepted below by name;
#   2. no *_remote function is called while tasks and callbacks are spawned, woken, polled and dropped,
#      and values are set and read.
# That none of this allocates is shown by executor/tests/alloc.rs.
#
# Usage: tests/locked.sh (needs objdump and addr2line; without valgrind it shows the first part only)
set -euo pipefail
cd "$(dirname "$0")/.."

# "function @ file" of the library's innermost function that the instruction was inlined into, or
# "symbol <name>" where that is std's or another crate's: a pattern, two spaces, the reason.
readonly EXCEPTIONS='
^abort @ context/src/hooks.rs$  a hook has panicked, the process ends
@ context/src/key.rs$  the registry of storages: a key is taken or renewed once, the rest is cold
@ reactor/src/release.rs$  slots that other threads release; a loop begins and ends
^(new|notifier|free_released) @ reactor/src/reactor.rs$  a loop begins; what others released, once a turn
^(replace|close) @ executor/src/task/inbox.rs$  around a sleep; a loop begins to run and ends
^(new|close) @ executor/src/task/queue.rs$  a loop begins and ends
^(new|build) @ executor/src/builder.rs$  a runtime begins
^turn @ executor/src/event_loop.rs$  std counts panics while one of an immediate is caught
discard_all @ executor/src/  a runtime ends
^symbol drop_(slow|in_place)<lunation_(reactor::reactor::Reactor|executor::(event_loop::EventLoop|task::queue::Core))[,>]  a loop ends
^symbol .*lunation_reactor::release::(Inbox|Released)  as for release.rs
^symbol drop_(slow|in_place)<lunation_reactor::(source::Slot|state::Parts)[,>]  a source ends: its handle shares its state
^symbol lunation_context::key::  as for key.rs
'
# As objdump prints them: `xchg %ax,%ax` is a nop, with parentheses it is memory.
readonly LOCKED='\t(lock |xchg .*[(]|mfence)'
# Rows that only the owner thread has to do with.
readonly ROWS=("yield, 1 task" "ping-pong, per switch" "spawn + join" "spawn detached" "get_store"
    "yield under 4 guards" "yield under 4 scopes" "spawn detached, 1 store inherited" "queue_microtask"
    "next_tick")

# Builds the benchmarks, those of the library alone if they are apart; prints the program's path.
build() {
    local manifest=benches/compare/Cargo.toml command=(bench --no-run)
    if [ -f benches/workloads/Cargo.toml ]; then
        manifest=benches/workloads/Cargo.toml command=(build --release --bins)
    fi
    cargo "${command[@]}" --manifest-path "$manifest" --message-format=json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}

# Prints "function @ file", innermost first, of everything each address was inlined into.
stacks() {
    addr2line -a -f -i -C -e "$1" |
        awk '/^0x/ { print; next } { name = $0; getline; sub(/:[0-9?]+( .*)?$/, ""); print name " @ " $0 }'
}

# Prints where the library has locked instructions: "remote", "panic" or a place as in EXCEPTIONS.
places() {
    awk -v root="$PWD/" '
        function flush() {
            if (!frames) return
            ours = ours != "" ? ours : last ~ /lunation_(context|reactor|executor)/ && last !~ /lunation_workloads/ ? "symbol " last : ""
            # std counts panics while it catches one; nothing of that runs otherwise.
            if (ours != "" && ours != "-") print panic ? "panic" : last ~ /_remote$/ ? "remote" : ours
        }
        /^0x/ { flush(); ours = ""; panic = 0; frames = 0; last = ""; next }
        {
            frames++
            split($0, part, " @ ")
            last = part[1]
            if (part[1] ~ /^std::panicking::(panic_count|catch_unwind::cleanup)/) panic = 1
            if (ours == "" && index(part[2], root) == 1) {
                file = substr(part[2], length(root) + 1)
                # Else it belongs to the benchmark, polled by the library.
                ours = file ~ /^(context|reactor|executor|src)\// ? part[1] " @ " file : "-"
            }
        }
        END { flush() }'
}

# Calls of *_remote functions in one run of a row, if it is there.
remote_calls() {
    valgrind --tool=callgrind --compress-strings=no --callgrind-out-file="$work/calls" \
        "$binary" --once "$1" 4000 >/dev/null 2>&1 || return 1
    awk '/^cfn=.*_remote$/ { wanted = 1; next }
        /^calls=/ { sub("calls=", ""); if (wanted) sum += $1; wanted = 0 }
        END { print sum + 0 }' "$work/calls"
}

binary=$(build)
[ -x "$binary" ] || { echo "no benchmark was built"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

objdump -d --no-show-raw-insn "$binary" |
    awk -v locked="$LOCKED" '$0 ~ locked { sub(":", "", $1); print "0x" $1 }' >"$work/addresses"
stacks "$binary" <"$work/addresses" | places | sort | uniq -c >"$work/places"
grep -q ' remote$' "$work/places" || { echo "no *_remote function: the program was not understood"; exit 1; }

failed=0
while read -r count place; do
    case $place in
        remote | panic) reason="" ;;
        *)
            reason=$(while IFS= read -r line; do
                pattern=${line%%  *}
                [ -z "$line" ] || ! grep -qE "$pattern" <<<"$place" || { echo "${line#*  }"; break; }
            done <<<"$EXCEPTIONS")
            [ -n "$reason" ] || { reason="NOT ALLOWED" && failed=1; }
            ;;
    esac
    printf '%4d  %-110.110s %s\n' "$count" "$place" "$reason"
done <"$work/places"

if command -v valgrind >/dev/null; then
    for row in "${ROWS[@]}"; do
        calls=$(remote_calls "$row") || { echo "the benchmark has no row \"$row\""; exit 1; }
        printf '%4d  remote calls in "%s"\n' "$calls" "$row"
        [ "$calls" -eq 0 ] || failed=1
    done
else
    echo "valgrind is missing: calls were not counted"
fi
exit $failed
