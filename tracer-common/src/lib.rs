//! The wire format between tracer's BPF programs and its user side, and nothing else.
//!
//! Rules of this crate:
//! * every type is `repr(C)`, free of implicit padding, and its size and offsets are asserted at
//!   compile time, so both sides agree or the build fails;
//! * numbers ([`event::Kind`], [`probe::ProbeId`]) are never reused for another meaning;
//! * a record starts with an [`event::EventHeader`] whose `len` says how long it is;
//! * nothing here allocates, panics or reads memory.
#![no_std]

pub mod abi;
pub mod capture;
pub mod config;
pub mod event;
pub mod goroutine_assist;
pub mod goroutine_handoff;
pub mod goroutine_wait;
pub mod histogram;
pub mod probe;
pub mod stats;
pub mod unwind;
