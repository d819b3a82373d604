#![no_main]

tracer_fuzz::fuzz_surface!("mapping_records");
