//! Fuzz targets: one for each surface of `tracer_tests::hostile`, and one for the library that
//! reads DWARF.
//!
//! `cargo xtask fuzz` builds and runs them. Small seeds are in `seeds/`, inputs that once failed
//! in `regressions/`; the default test run replays both.

/// Makes the program that fuzzes the surface of that name.
#[macro_export]
macro_rules! fuzz_surface {
    ($name:literal) => {
        #[global_allocator]
        static ALLOCATOR: $crate::Accounting = $crate::Accounting;

        ::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            $crate::surface($name).check(bytes);
        });
    };
}

pub use tracer_tests::hostile::{Accounting, surface};
