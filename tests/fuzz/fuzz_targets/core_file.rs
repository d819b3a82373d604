#![no_main]

tracer_fuzz::fuzz_surface!("core_file");
