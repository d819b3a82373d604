#![no_main]

tracer_fuzz::fuzz_surface!("kernel_types");
