#![no_main]

tracer_fuzz::fuzz_surface!("proc_text");
