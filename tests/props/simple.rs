//! Operations on stores and guards, panics and drop code: what stays in its flow.

use crate::body::{Panics, Stack};
use crate::desk::{self, choose};
use crate::lockstep::{Capture, Held, Injected, check, expect, is_injected, model};
use crate::model::GuardId;
use crate::program::{Kind, Op};
use crate::stores::ALL;
use lunation::time;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// Ends a `run` on the model's side, also on unwind.
struct Leave(GuardId);

impl Drop for Leave {
    fn drop(&mut self) {
        model(|model, flow| model.leave(flow, self.0));
    }
}

/// Runs the operation if it is one of these and there is something to do it to.
pub(crate) fn step(stack: &mut Stack, op: &Op) -> bool {
    match op.kind {
        Kind::Read => {}
        Kind::Run => run(stack, op),
        Kind::Exit => exit(stack, op),
        Kind::Enter => enter(stack, op),
        Kind::EnterWith => {
            let number = model(|model, flow| {
                let number = model.number();
                model.overwrite(flow, op.store, number);
                number
            });
            ALL[op.store].enter_with(number);
        }
        Kind::With => {
            let same = ALL[op.store].with(&mut || stack.nested(&op.bodies[0]));
            expect(same, || "a value has changed inside of `with`".to_owned());
        }
        Kind::Disable => {
            model(|model, _| model.disable(op.store));
            ALL[op.store].disable();
        }
        Kind::Catch => catch(stack, op),
        Kind::Panic => {
            if !Panics::allow(stack.task, op.pick) {
                return false;
            }
            count_panic(stack);
            resume_unwind(Box::new(Injected::default()));
        }
        Kind::DropCode => {
            let code = stack.code(op, 0);
            stack.add_drop_code(code);
        }
        Kind::DropPanic => stack.add_drop_panic(op.pick),
        Kind::Advance => time::advance(Duration::from_millis(op.pick as u64 % 3)),
        _ => return guard_step(stack, op) || keep_step(op),
    }
    true
}

fn run(stack: &mut Stack, op: &Op) {
    let (number, id) = model(|model, flow| {
        let number = model.number();
        (number, model.push(flow, op.store, Some(number)))
    });
    ALL[op.store].run(number, &mut || {
        let _leave = Leave(id);
        check("run");
        stack.nested(&op.bodies[0]);
    });
}

fn exit(stack: &mut Stack, op: &Op) {
    let id = model(|model, flow| model.push(flow, op.store, None));
    ALL[op.store].exit(&mut || {
        let _leave = Leave(id);
        check("exit");
        stack.nested(&op.bodies[0]);
    });
}

fn enter(stack: &mut Stack, op: &Op) {
    let (number, id) = model(|model, flow| {
        let number = model.number();
        (number, model.push(flow, op.store, Some(number)))
    });
    stack.guards.push(Held::new(ALL[op.store].enter(number), id));
}

fn catch(stack: &mut Stack, op: &Op) {
    let depth = stack.depth;
    let caught = {
        let _panics = Panics::All.set();
        catch_unwind(AssertUnwindSafe(|| stack.nested(&op.bodies[0])))
    };
    stack.depth = depth;
    if let Err(payload) = caught {
        expect(is_injected(&*payload), || "a panic of the runtime was caught".to_owned());
    }
}

fn count_panic(stack: &Stack) {
    crate::body::count(Kind::Panic, stack.depth);
}

fn guard_step(stack: &mut Stack, op: &Op) -> bool {
    let guards = &mut stack.guards;
    let place = match op.kind {
        Kind::DropGuard | Kind::ForgetGuard | Kind::ShareGuard => choose(guards.len(), op.pick),
        Kind::DropYoungest => guards.len().checked_sub(1),
        Kind::DropShared => return desk::drop_shared(op.pick),
        _ => None,
    };
    let Some(place) = place else { return false };
    let guard = guards.remove(place);
    match op.kind {
        Kind::ForgetGuard => guard.forget(),
        Kind::ShareGuard => desk::share(guard),
        _ => drop(guard),
    }
    true
}

fn keep_step(op: &Op) -> bool {
    match op.kind {
        Kind::Keep => {
            let expected = model(|model, flow| model.read(flow, op.store));
            let kept = ALL[op.store].keep();
            let read = kept.as_ref().map(|kept| kept());
            expect(read == expected, || format!("get_store gave {read:?} for {expected:?}"));
            let (Some(read), Some(number)) = (kept, expected) else { return false };
            let values = model(|model, flow| model.visible_of(flow, op.store));
            desk::keep(desk::Kept { read, number, _alive: Capture::of(values) });
            true
        }
        Kind::ReadKept => desk::read_kept(op.pick),
        _ => false,
    }
}
