//! What is this process doing, what is it waiting for, and why.
//!
//! # The way of one event
//!
//! ```text
//! kernel   tracepoints, timers, probes in Go's runtime            (crate tracer-ebpf)
//!            └ target filter → sum in a map, or → a record in the ring buffer; what does not
//!              fit is counted per probe
//! user     bpf      loads, attaches, drains; the only module that knows aya
//!          decode   bytes → Event; total: anything odd is an error to be counted
//!          session  the life cycle; its pump orders events by time, names addresses, and feeds
//!          sinks    live lines, analyses that fold events into reports, recordings
//!          render   reports as text, folded stacks, SVG, JSON
//! replay   recording → the same events → the same sinks
//! ```
//!
//! Every subcommand is a [`session::Plan`]: whom to trace, what to capture, when to stop. None has
//! an event loop of its own. Facts about the run (who, when, names of addresses, losses) are events
//! too, so that a recording is complete and replays to the same output.
//!
//! # Who may know whom
//!
//! `cli → commands → session → {bpf, decode, process, symbol, go, syscall}`. [`analysis`],
//! [`report`] and [`render`] see events and reports only. [`go`] and [`syscall`] are knowledge and
//! readers, testable without a kernel.
//!
//! # Where things are added
//!
//! | new | place | what fails if it is forgotten |
//! |---|---|---|
//! | subcommand | a file in [`commands`], a variant of [`cli::Command`] | the test that walks all help texts |
//! | probe | a file in `tracer-ebpf/src/probes`, a row of [`bpf::PROBES`] | table and object are compared |
//! | event | a struct in `tracer-common`, a variant of [`event::Body`] | layout assertions; the recording's round trip |
//! | syscall | a row of [`syscall::table`] | table tests; golden lines of strace |
//! | Go release | a row of [`go::layout`] | the check against live values and gctrace |
//! | output format | a file in [`render`], a name in the command's `FORMATS` | the refusal lists what there is |
//! | format of profiles | a file in `render/stack_format`, a row of [`render::STACK_FORMATS`] | files and rows are compared |

pub mod analysis;
pub mod bpf;
pub mod cli;
pub mod commands;
pub mod cost;
pub mod decode;
pub mod doctor;
pub mod error;
pub mod event;
pub mod go;
pub mod process;
pub mod recording;
pub mod redact;
pub mod render;
pub mod report;
pub mod session;
pub mod sink;
pub mod symbol;
pub mod syscall;
pub mod term;
pub mod unwind;
