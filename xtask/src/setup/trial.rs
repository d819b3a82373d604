//! A trial build: the only proof that compiler, sources and linker fit together.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::bpf_toolchain::{Toolchain, object_path};
use crate::{elf, step};

const MANIFEST: &str = "[package]\nname = \"trial\"\nedition = \"2024\"\n[workspace]\n\
    [profile.release]\npanic = \"abort\"\n";

const PROGRAM: &str = "#![no_std]\n#![no_main]\n\
    #[unsafe(no_mangle)]\n#[unsafe(link_section = \"socket\")]\n\
    pub extern \"C\" fn trial(_: *mut core::ffi::c_void) -> i32 { 7 }\n\
    #[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! { loop {} }\n";

/// Compiles and links a one-function BPF program.
///
/// # Errors
/// The build fails or its result is no BPF object with that function and BTF.
pub(super) fn build(cache: &Path, toolchain: &Toolchain) -> Result<()> {
    let dir = cache.join("trial");
    let target = dir.join("target");
    fs::create_dir_all(dir.join("src"))?;
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    let manifest = dir.join("Cargo.toml");
    fs::write(&manifest, MANIFEST)?;
    fs::write(dir.join("src/main.rs"), PROGRAM)?;
    let mut command = toolchain.build_command(&manifest, &target, "x86_64");
    let what = "checking the toolchain with a trial build of core (about 30 s)";
    step::run_logged(what, &mut command, &cache.join("logs/trial.log"))?;
    let object = fs::read(object_path(&target, "trial"))?;
    let summary = elf::bpf_summary(&object)?;
    if summary.programs != ["trial"] || !summary.has_btf {
        bail!(
            "the trial object has programs {:?}, BTF {}",
            summary.programs,
            summary.has_btf
        );
    }
    fs::remove_dir_all(&dir)?;
    Ok(())
}
