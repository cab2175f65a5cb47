//! Lunation's own rows under criterion, which compares each run with the last one.
//!
//! `cargo bench --manifest-path benches/workloads/Cargo.toml -- [FILTER]`

use criterion::{Criterion, Throughput};
use lunation_workloads::{contexts, table};
use std::time::Duration;

fn main() {
    contexts::prepare();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    let mut group = criterion.benchmark_group("lunation");
    for row in table::all() {
        group.throughput(Throughput::Elements(row.load.ops));
        group.bench_function(row.name, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| (row.work)(row.load)).sum());
        });
    }
    group.finish();
    criterion.final_summary();
}
