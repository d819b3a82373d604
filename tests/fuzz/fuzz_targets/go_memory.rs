#![no_main]

tracer_fuzz::fuzz_surface!("go_memory");
