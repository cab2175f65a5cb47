#!/usr/bin/env bash
# Shows that the property tests of tests/props find what they are for: applies one mutant after the
# other to a copy of the tree and requires the tests to build and to fail.
#
#   tests/props-mutants.sh              all mutants
#   tests/props-mutants.sh unwind drop  those whose names contain one of these words
#
# The exit status is 0 if every mutant was killed. A mutant whose text is not found any more is an
# error: follow the code with the pattern. Takes about half a minute per mutant on two cores.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/mutants-common.sh

words=("$@")
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
copy_tree "$copy/tree"

export CARGO_TARGET_DIR="$copy/target" CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
# A failure is enough; its smallest program is not asked for.
export PROPTEST_MAX_SHRINK_ITERS=0
export RUSTFLAGS="--cap-lints=allow"
failed=0

# The workspace denies lints that a mutant may hit.
build() {
    (cd "$copy/tree" && cargo test --offline --quiet --test props --no-run) >"$copy/log" 2>&1
}

# Undoes the last mutant.
mutated=""
restore() {
    [ -z "$mutated" ] || cp "$mutated" "$copy/tree/$mutated"
}

report() {
    printf '%-34s %s\n' "$1" "$2"
}

# mutant <name> <file> <old text> <new text>: the old text must stand in the file exactly once.
mutant() {
    local name=$1 file=$2
    is_wanted "$name" "${words[@]}" || return 0
    restore
    mutated=$file
    if ! OLD=$3 NEW=$4 perl -0pi -e \
        '$n = s/\Q$ENV{OLD}\E/$ENV{NEW}/g; END { exit($n == 1 ? 0 : 1) }' "$copy/tree/$file"; then
        report "$name" "PATTERN NOT FOUND ONCE in $file"
        failed=1
        return
    fi
    if ! build; then
        report "$name" "DOES NOT BUILD"
        grep -m 3 -A 4 '^error' "$copy/log"
        failed=1
        return
    fi
    (cd "$copy/tree" && timeout 300 cargo test --offline --quiet --test props) >"$copy/log" 2>&1
    case $? in
    0)
        report "$name" "SURVIVED"
        failed=1
        ;;
    124) report "$name" "killed: hangs" ;;
    *)
        local why
        why=$(grep --text -m 1 -A 1 'panicked at tests/props/main.rs' "$copy/log" | tail -n 1)
        report "$name" "killed: $(cut -c 1-90 <<<"${why:-aborts}")"
        ;;
    esac
}

# --- the mutants ---------------------------------------------------------------------------------

# The pristine tree must pass, or nothing is shown.
if ! build || ! (cd "$copy/tree" && cargo test --offline --quiet --test props) >"$copy/log" 2>&1; then
    tail -n 40 "$copy/log"
    echo "the property tests fail without a mutant" >&2
    exit 1
fi

mutant "run restores the whole frame" context/src/storage.rs \
    'self.around(Some(value), f)' \
    'struct Whole(Frame);
        impl Drop for Whole {
            fn drop(&mut self) {
                let whole = std::mem::take(&mut self.0);
                let left = with_flow(|flow| flow.frame.replace(whole));
                drop(left);
            }
        }
        let _whole = Whole(Frame::capture());
        self.around(Some(value), f)'

mutant "run skips restore on unwind" context/src/storage.rs \
    'fn drop(&mut self) {
        drop(self.0.take());' \
    'fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        drop(self.0.take());'

mutant "capture at first poll" executor/src/task/cell.rs \
    'let ended = this' \
    'thread_local! {
        static POLLED: std::cell::RefCell<std::collections::HashSet<u64>> = Default::default();
    }
    let activation = &this.task.header.activation;
    if !MAIN && POLLED.with_borrow_mut(|polled| polled.insert(activation.id().get())) {
        drop(activation.set_frame(Frame::capture()));
    }
    let ended = this'

mutant "interval keeps enter_with" context/src/resource.rs \
    'self.activation().run(f)' \
    'let call = self.activation();
        let result = call.run(f);
        let old = self.identity.set_frame(call.flow.frame.get());
        drop(old);
        result'

mutant "in-place write although captured" context/src/frame.rs \
    'header.refs.get() == 1 && index' 'index'

mutant "in-place entry although captured" context/src/frame.rs \
    '.filter(|header| header.refs.get() == 1)?' '?'

mutant "drop a future outside its resource" executor/src/task/cell.rs \
    'unsafe { future.drop_in_place() }' \
    'Activation::of_loop().enter(|| unsafe { future.drop_in_place() })'

mutant "resurrect on out-of-order drop" context/src/entries.rs \
    'let mut younger = self.top(index)?;' \
    'if index < usize::MAX {
            return None;
        }
        let mut younger = self.top(index)?;'

mutant "Scoped drop outside its frame" context/src/scoped.rs \
    'this.branch.run(|| this.future.set(None));' 'this.future.set(None);'

# More than the issue asks for.

mutant "exit shows the default" context/src/storage.rs \
    'Some(value) => f(value.get()),
            None => self.with_default(f),' \
    'Some(value) if value.get().is_some() => f(value.get()),
            _ => self.with_default(f),'

mutant "foreign guard leaves" context/src/storage.rs \
    'if with_flow(Flow::number) == flow {' 'if flow != 0 {'

mutant "enter_with makes a new base" context/src/entries.rs \
    'if flow != 0
            && let Some(top) = self.top(index)' \
    'if flow == u64::MAX
            && let Some(top) = self.top(index)'

mutant "disable does nothing" context/src/storage.rs 'self.key.renew();' ''

mutant "Never is inherited" context/src/value.rs 'Inherited::Nothing
}' 'Inherited::Same
}'

mutant "Map is not applied" context/src/inherit.rs 'if frame.is_special()' 'if false'

mutant "Snapshot applies Inherit" context/src/snapshot.rs \
    'Snapshot { frame: Frame::capture() }' 'Snapshot { frame: Frame::inherit() }'

mutant "snapshot run leaks its changes" context/src/snapshot.rs \
    'Flow::new(self.frame.clone(), 0).run(f)' \
    'drop(Flow::new(self.frame.clone(), 0));
        f()'

mutant "Scoped forgets between polls" context/src/scoped.rs \
    'this.branch.enter_poll(' \
    'Flow::new(this.branch.frame.get(), 0).enter_poll('

mutant "ended flow keeps what it replaced" context/src/frame.rs \
    'if flow != 0 {' 'if flow == u64::MAX {'

mutant "finished task keeps its frame" executor/src/task/cell.rs \
    'if !wants_frame {' 'if false {'

mutant "detached task inherits" executor/src/spawn.rs \
    'self.frame = detached.then(Frame::empty);' 'self.frame = detached.then(Frame::inherit);'

mutant "output dropped outside its resource" executor/src/task/cell.rs \
    'other => activation.run_silent(|| core.guard(activation, move || drop(other))),' \
    'other => core.guard(activation, move || drop(other)),'

mutant "cleared closure dropped outside" executor/src/callback/timeout.rs \
    'resource.enter(|| event_loop.core.guard(&*resource, || drop(callback)));
        resource.release();' \
    'event_loop.core.guard(&*resource, || drop(callback));
        resource.release();'

mutant "tick dropped unrun outside" executor/src/task/callback.rs \
    'activation.run_silent(call);' 'call();'

mutant "refresh keeps the old context" executor/src/callback/timeout.rs \
    'let old = self.resource.replace(Rc::new(resource));
        drop(old);' 'drop(resource);'

mutant "failure handled outside" executor/src/task/failures.rs \
    'activation.enter(|| self.handle(unhandled))' 'self.handle(unhandled)'

mutant "abort drops the future at once" executor/src/task/waker.rs \
    'if unsafe { TaskHeader::life(task) }.abort() == Schedule::Enqueue {' \
    'crate::task::cell::cancel_now(task, core);
    if unsafe { TaskHeader::life(task) }.abort() == Schedule::Enqueue {'

mutant "ResourceScope drop outside" context/src/async_resource.rs \
    'this.activation.run_silent(|| this.future.set(None));' 'this.future.set(None);'

mutant "scope applies Inherit" context/src/storage.rs \
    'FrameSlot::new(Frame::capture())' 'FrameSlot::new(Frame::inherit())'

mutant "bind applies Inherit" context/src/async_resource.rs \
    'None, Frame::capture());' 'None, Frame::inherit());'

mutant "main starts from nothing" executor/src/runtime.rs \
    'let frame = Frame::capture();' 'let frame = Frame::empty();'

mutant "copy forgets Inherit" context/src/frame.rs '(h.live.get(), h.special.get())' '(h.live.get(), false)'

mutant "overwriting loses what is below" context/src/entries.rs \
    'value.set_prior(top.take_prior());' 'drop(top.take_prior());'

mutant "leaving out of order loses the base" context/src/entries.rs \
    'younger.set_prior(candidate.take_prior());' 'drop(candidate.take_prior());'

mutant "disable ends the entries of guards" context/src/entries.rs \
    'if old.key() == value.key() || old.entry().flow == entry.flow =>' \
    'if old.key() == value.key() =>'

mutant "snapshot stays entered on unwind" context/src/current.rs \
    'CURRENT.with(|current| current.flow.set(self.0));' \
    'CURRENT.with(|current| if !std::thread::panicking() { current.flow.set(self.0) });'

mutant "a branch shares its host's flow" context/src/flow.rs \
    'let number = next_number();' \
    'let host = crate::current::with_current(|host| host.flow.number());
                let number = if host == 0 { next_number() } else { host };'

mutant "a call keeps the captured frame" context/src/resource.rs \
    'self.identity.sibling(self.identity.take_frame())' \
    'self.identity.sibling(self.identity.flow.frame.get())'

mutant "a fired timer keeps its context" executor/src/callback/timeout.rs \
    '        resource.release();
        if self.state.get() == State::Running {' \
    '        if self.state.get() == State::Running {'

mutant "completion starts from nothing" executor/src/callback/completion.rs \
    'Resource::create(kind, site)' \
    'Resource::create_with(kind, site, None, lunation_context::Frame::empty())'

mutant "closing callback inherits nothing" executor/src/callback/close.rs \
    'Resource::create(kind, site)' \
    'Resource::create_with(kind, site, None, lunation_context::Frame::empty())'

exit $failed
