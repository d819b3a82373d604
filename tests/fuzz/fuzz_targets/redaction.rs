#![no_main]

tracer_fuzz::fuzz_surface!("redaction");
