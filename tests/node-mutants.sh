#!/usr/bin/env bash
# Shows that Node's ported tests (tests/it/node) find what they are for: breaks one feature after
# the other and requires that a port fails, hangs or aborts.
#
#   tests/node-mutants.sh              all mutants
#   tests/node-mutants.sh unref exit   those whose names contain one of these words
#
# All mutants are planted in one copy of the tree, each behind a condition that an environment
# variable meets: one build serves all, and without the variable the ports must pass. The exit status
# is 0 if every mutant was found. A mutant whose text is not found once is an error: follow the code
# with the pattern.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/mutants-common.sh

words=("$@")
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
copy_tree "$copy/tree"

export CARGO_TARGET_DIR="$copy/target" CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
# The workspace denies lints that a mutant may hit.
export RUSTFLAGS="--cap-lints=allow"
failed=0
mutants=()

report() {
    printf '%-46s %s\n' "$1" "$2"
}

# mutant <name> <file> <old text> <new text>: the old text must stand in the file exactly once. It
# is a statement (with its semicolon) or an expression, and the new one takes its place if the mutant
# is chosen. A new text with the word MUTANT replaces it always, and asks by that word. It must not
# contain what a later mutant looks for.
mutant() {
    local name=$1 file=$2 old=$3 new=$4
    local asks="std::env::var(\"NODE_MUTANT\").is_ok_and(|name| name == \"$name\")"
    is_wanted "$name" "${words[@]}" || return 0
    case $new in
    *MUTANT*) ;;
    *) case $old in
        *\;) new="if MUTANT { $new } else { $old }" ;;
        *) new="(if MUTANT { $new } else { $old })" ;;
        esac ;;
    esac
    if ! OLD=$old NEW=${new//MUTANT/$asks} perl -0pi -e \
        '$n = s/\Q$ENV{OLD}\E/$ENV{NEW}/g; END { exit($n == 1 ? 0 : 1) }' "$copy/tree/$file"; then
        report "$name" "PATTERN NOT FOUND ONCE in $file"
        failed=1
        return
    fi
    mutants+=("$name")
}

mutant "a hook change acts inside of the emission" context/src/hooks.rs \
    'registry.changes.borrow_mut().push((Rc::clone(hooks), enable));' 'registry.apply(hooks, enable);'

mutant "a task resolves nothing" context/src/hooks.rs 'hooks.promise_resolve(id)' '()'

mutant "before is told without after" context/src/hooks.rs 'hooks.after(id)' '()'

mutant "one flush delivers one destroy" context/src/hooks.rs \
    'for ended in &batch {' 'for ended in batch.iter().take(if MUTANT { 1 } else { batch.len() }) {'

mutant "a destroy queued in a flush waits" context/src/hooks.rs \
    'batch.clear();' 'batch.clear();
    if MUTANT { break; }'

mutant "hooks get all events of tasks" context/src/enabled.rs 'created.tracks_tasks' 'true'

mutant "destroy is queued at every call" context/src/resource.rs \
    'self.destroyed.replace(true)' 'self.destroyed.replace(false)'

mutant "a call runs in the caller's frame" context/src/resource.rs 'self.activation().run(f)' 'f()'

mutant "the trigger is always the root" context/src/run.rs \
    'trigger.unwrap_or(execution)' 'trigger.unwrap_or(AsyncId::ROOT)'

mutant "run does not restore" context/src/storage.rs \
    'pub fn run<R>(&self, value: T, f: impl FnOnce() -> R) -> R {' \
    'pub fn run<R>(&self, value: T, f: impl FnOnce() -> R) -> R {
        if MUTANT { self.enter_with(value); return f(); }'

mutant "exit hides nothing" context/src/storage.rs \
    'pub fn exit<R>(&self, f: impl FnOnce() -> R) -> R {' \
    'pub fn exit<R>(&self, f: impl FnOnce() -> R) -> R {
        if MUTANT { return f(); }'

mutant "disable does nothing" context/src/storage.rs 'self.key.renew();' ''

mutant "run_stores does not publish" context/src/diagnostics_channel/channel.rs \
    'self.set_stores(message, &mut guard);' \
    'self.set_stores(message, &mut guard);
    if MUTANT { return guard; }'

mutant "the end is not published" context/src/diagnostics_channel/bounded.rs 'end.publish(message);' ''

mutant "a traced callback has no continuation" context/src/diagnostics_channel/traced_callback.rs \
    'channel.continuation.run(&trace, || callback(outcome.as_ref()))' 'callback(outcome.as_ref())'

mutant "destroys come after the immediates" executor/src/event_loop.rs \
    '        self.flush_destroys();
        self.run_immediates();' \
    '        if !MUTANT { self.flush_destroys(); }
        self.run_immediates();
        self.flush_destroys();'

mutant "a batch of immediates is one" executor/src/event_loop.rs \
    '0..self.immediates.queued()' '0..self.immediates.queued().min(1)'

mutant "no drain after an immediate" executor/src/event_loop.rs \
    'Some(Entry::Call(job)) => self.guarded(|| job.run()),' \
    'Some(Entry::Call(job)) => {
        self.guarded(|| job.run());
        if MUTANT { continue; }
    }'

mutant "ticks of a turn wait for its microtasks" executor/src/callback/queues.rs \
    '&core.ticks' '&(core.microtasks)'

mutant "a microtask is a tick" executor/src/callback/queues.rs '&core.microtasks' '&core.ticks'

mutant "an interval counts from the end of its call" executor/src/callback/timeout.rs \
    'self.arm_from(event_loop, start);' 'self.arm(event_loop);'

mutant "an unref'd timer holds the loop" executor/src/callback/timeout.rs \
    'event_loop.timers.borrow_mut().set_refed(key, refed);' ''

mutant "refresh leaves a pending timer alone" executor/src/callback/timeout.rs \
    'State::Pending => self.0.arm(&event_loop),' \
    'State::Pending if MUTANT => {}
            State::Pending => self.0.arm(&event_loop),'

mutant "an aborted interval forgets its backlog" executor/src/promises.rs \
    'self.aborted.set(true);' \
    'self.aborted.set(true);
        if MUTANT { self.due.set(0); }'

mutant "a firing timer is not listed" executor/src/callback/timeout.rs \
    'matches!(self.state.get(), State::Pending | State::Running)' \
    'matches!(self.state.get(), State::Pending)'

mutant "a monitor is not called" executor/src/handlers.rs \
    'self.monitors.iter().for_each(|monitor| monitor(failure));' ''

mutant "a rejection nobody listens to is nothing" executor/src/handlers.rs \
    '(UnhandledRejections::Throw, None) => return self.uncaught(failure),' \
    '(UnhandledRejections::Throw, None) if MUTANT => {}
            (UnhandledRejections::Throw, None) => return self.uncaught(failure),'

mutant "an unref'd socket holds the loop" reactor/src/source.rs 'self.refed = refed;' ''

mutant "an event ends no request" reactor/src/source.rs \
    'self.request.take_if(|_| writes)' 'None'

mutant "a write that waits is no request" reactor/src/source.rs \
    'self.request_kind.filter(|_| self.request.is_none())' 'None::<&ResourceKind>'

mutant "a shutdown is triggered by its caller" reactor/src/net/transfer.rs \
    '(Location::caller(), Some(self.io.async_id()))' '(Location::caller(), None)'

mutant "a connection is triggered by who accepts it" reactor/src/net/listener.rs \
    '(F::KINDS.stream, Some(server.id()))' '(F::KINDS.stream, None)'

mutant "a panic that leaves the loop is no exit" executor/src/runtime.rs \
    'event_loop.emit(RuntimeEvent::Exit);' \
    'if !event_loop.core.budget.is_stopped() { event_loop.emit(RuntimeEvent::Exit); }'

[ ${#mutants[@]} -gt 0 ] || exit $failed

ports=$(cd "$copy/tree" && cargo test --offline --quiet --test it --no-run --message-format=json \
    -p lunation 2>"$copy/log" | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
if [ -z "$ports" ]; then
    echo "the tree with all mutants does not build:"
    grep -m 3 -A 9 '^error' "$copy/log"
    exit 1
fi

# Runs the ports with a mutant; the log then has the failed ones. They take about a second.
run() {
    (cd "$copy/tree" && NODE_MUTANT=$1 RUST_BACKTRACE=0 timeout 15 "$ports" node::) >"$copy/log" 2>&1
}

if ! run none; then
    echo "the ports fail without a mutant:"
    tail -n 30 "$copy/log"
    exit 1
fi
for name in "${mutants[@]}"; do
    { run "$name"; } 2>/dev/null
    status=$?
    mapfile -t red < <(sed -n 's/^test node::.*::\(.*\) \.\.\. FAILED$/\1/p' "$copy/log" | sort)
    killers=${red[0]-}
    [ ${#red[@]} -le 1 ] || killers+=" and $((${#red[@]} - 1)) more"
    case $status in
    0)
        report "$name" "SURVIVED"
        failed=1
        ;;
    101) report "$name" "red: $killers" ;;
    124) report "$name" "red: ${killers:+$killers; }one hangs" ;;
    *) report "$name" "red: aborts in a hook" ;;
    esac
done
exit $failed
