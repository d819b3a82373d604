#![no_main]

tracer_fuzz::fuzz_surface!("unwind_table");
