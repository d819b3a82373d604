//! What several files of tests assert.

use tracer::bpf::PROBES;
use tracer_tests::assert_no_orphans;

/// No program of the tracer is left in the kernel without a process that holds it.
pub(crate) fn assert_nothing_left() {
    let names: Vec<&str> = PROBES.iter().map(|p| p.program).collect();
    assert_no_orphans(&names);
}
