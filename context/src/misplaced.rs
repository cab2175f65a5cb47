//! Guards that were dropped where they do not belong: counted, and told once per place.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::thread;

use crate::warning::{Warning, emit_warning};

struct Reports {
    count: Cell<u64>,
    strict: Cell<bool>,
    /// Where the guards told about were entered.
    sites: RefCell<Vec<&'static Location<'static>>>,
}

thread_local! {
    static GUARD_REPORTS: Reports = const {
        Reports {
            count: Cell::new(0),
            strict: Cell::new(false),
            sites: RefCell::new(Vec::new()),
        }
    };
}

/// How many guards were dropped in another flow than the one they were made in, or after its
/// end. Of this thread; it only grows.
pub fn misplaced_guards() -> u64 {
    GUARD_REPORTS.try_with(|reports| reports.count.get()).unwrap_or(0)
}

/// Makes a misplaced guard panic on this thread, unless it is already unwinding; returns the
/// former setting. For tests.
pub fn set_strict_guards(strict: bool) -> bool {
    GUARD_REPORTS.try_with(|reports| reports.strict.replace(strict)).unwrap_or(false)
}

/// A guard entered at `site` was dropped in a foreign flow.
#[cold]
#[inline(never)]
pub(crate) fn report(name: &str, site: &'static Location<'static>) {
    let _ = GUARD_REPORTS.try_with(|reports| {
        reports.count.set(reports.count.get() + 1);
        let message = format!(
            "the guard of AsyncLocalStorage {name:?} entered at {site} was dropped in another \
             flow: wrap the branch that holds it in scope()"
        );
        if reports.strict.get() && !thread::panicking() {
            panic!("{message}");
        }
        let mut sites = reports.sites.borrow_mut();
        if !sites.contains(&site) {
            sites.push(site);
            drop(sites);
            emit_warning(&Warning::new("MisplacedGuard", message));
        }
    });
}
