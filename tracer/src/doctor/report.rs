//! What was found, as plain data.

use serde::{Deserialize, Serialize};

use super::process::ProcessFacts;
use crate::bpf::Feature;
use crate::error::exit_code;

/// How well something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Works with less, or at a higher price.
    Limited,
    /// What needs it does not work.
    Missing,
}

impl Status {
    /// One word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub status: Status,
    pub detail: String,
    /// What to do about it, if anything can be done.
    pub remedy: Option<String>,
}

impl Verdict {
    /// All is well.
    pub fn ok(detail: impl Into<String>) -> Self {
        Self {
            status: Status::Ok,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// Something works with less.
    pub fn limited(detail: impl Into<String>) -> Self {
        Self {
            status: Status::Limited,
            ..Self::ok(detail)
        }
    }

    /// Something does not work.
    pub fn missing(detail: impl Into<String>) -> Self {
        Self {
            status: Status::Missing,
            ..Self::ok(detail)
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// A check and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    pub id: String,
    pub purpose: String,
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl CheckResult {
    /// Names a verdict.
    #[must_use]
    pub fn new(id: &str, purpose: &str, verdict: Verdict) -> Self {
        Self {
            id: id.to_owned(),
            purpose: purpose.to_owned(),
            verdict,
        }
    }
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessReport {
    pub facts: ProcessFacts,
    pub checks: Vec<CheckResult>,
}

/// A fact about the kernel, whether tracer depends on it or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelFeature {
    /// [`Feature::id`]
    pub id: String,
    pub works: bool,
    /// The kernel's answer where it does not.
    pub error: Option<String>,
}

impl KernelFeature {
    pub(super) fn new(feature: Feature, tried: std::io::Result<()>) -> Self {
        Self {
            id: feature.id().to_owned(),
            works: tried.is_ok(),
            error: tried.err().map(|e| e.to_string()),
        }
    }
}

/// Whether a command will work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    pub name: String,
    pub status: Status,
    /// Ids of the checks that decided: those missing, or else those that limit it.
    pub why: Vec<String>,
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorReport {
    pub checks: Vec<CheckResult>,
    /// What tracer can do on this kernel.
    pub features: Vec<CheckResult>,
    /// What the kernel has.
    pub kernel_features: Vec<KernelFeature>,
    pub process: Option<ProcessReport>,
    pub commands: Vec<CommandResult>,
}

impl DoctorReport {
    /// 0 unless no command that traces would work.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.commands.iter().any(|c| c.status != Status::Missing) {
            return exit_code::DONE;
        }
        let host_is_able = self.process.is_some()
            && self
                .checks
                .iter()
                .all(|c| c.verdict.status != Status::Missing);
        if host_is_able {
            exit_code::UNREADABLE_TARGET
        } else {
            exit_code::NOT_PERMITTED
        }
    }
}
