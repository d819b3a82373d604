//! The language of `-e KEY=SET` and of the long options that stand for it.

use super::args::{FilterArgs, INJECTION, KVM};
use crate::error::ExpectedError;
use crate::syscall::filter::{SyscallSet, parse};
use crate::syscall::qualify::{
    DescriptorDetails, DescriptorSet, QualifyError, QuietSet, SignalSet, StatusSet,
};

/// All that expressions say. What none is about is `None`, so that other options can decide.
#[derive(Clone, Debug, Default)]
pub(super) struct Expressions {
    pub(super) trace: Option<SyscallSet>,
    pub(super) abbrev: Option<SyscallSet>,
    pub(super) verbose: Option<SyscallSet>,
    pub(super) raw: Option<SyscallSet>,
    pub(super) signal: Option<SignalSet>,
    pub(super) status: Option<StatusSet>,
    pub(super) quiet: Option<QuietSet>,
    pub(super) decode_fds: Option<DescriptorDetails>,
    /// Ids of processes and threads are shown with their names.
    pub(super) comms: Option<bool>,
    pub(super) read: DescriptorSet,
    pub(super) write: DescriptorSet,
}

fn usage(error: &impl std::error::Error) -> ExpectedError {
    ExpectedError::Usage(error.to_string())
}

fn calls(set: &str) -> Result<Option<SyscallSet>, ExpectedError> {
    parse(set).map(Some).map_err(|e| usage(&e))
}

fn checked<T>(set: Result<T, QualifyError>) -> Result<T, ExpectedError> {
    set.map_err(|e| usage(&e))
}

impl Expressions {
    /// Everything that the options say. Of two sets for one key the later counts, as in strace;
    /// long options count after `-e`.
    ///
    /// # Errors
    /// A set that names what there is not, or a key that is refused.
    pub(super) fn new(args: &FilterArgs) -> Result<Self, ExpectedError> {
        let mut all = Self::default();
        for expression in &args.expressions {
            match expression.split_once('=') {
                None => all.add("trace", expression)?,
                Some((key, set)) => all.add(key, set)?,
            }
        }
        let long = [
            ("trace", &args.trace),
            ("signal", &args.signal),
            ("status", &args.status),
            ("quiet", &args.quiet),
        ];
        for (key, set) in long {
            if let Some(set) = set {
                all.add(key, set)?;
            }
        }
        if args.successful_only {
            all.status = Some(StatusSet::SUCCESSFUL);
        }
        if args.failed_only {
            all.status = Some(StatusSet::FAILED);
        }
        Ok(all)
    }

    /// Takes one set, under any of the names that strace has for its key.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn add(&mut self, key: &str, set: &str) -> Result<(), ExpectedError> {
        match key {
            "trace" | "t" => self.trace = calls(set)?,
            "abbrev" | "a" => self.abbrev = calls(set)?,
            "verbose" | "v" => self.verbose = calls(set)?,
            "raw" | "x" => self.raw = calls(set)?,
            "signal" | "signals" | "s" => self.signal = Some(checked(SignalSet::parse(set))?),
            "status" => self.status = Some(checked(StatusSet::parse(set))?),
            "quiet" | "silent" | "silence" | "q" => {
                self.quiet = Some(checked(QuietSet::parse(set))?);
            }
            "decode-fds" | "decode-fd" => {
                self.decode_fds = Some(checked(DescriptorDetails::parse(set))?);
            }
            "decode-pids" | "decode-pid" => self.comms = Some(names_of_ids(set)?),
            "read" | "reads" | "r" => self.read = checked(DescriptorSet::parse(set))?,
            "write" | "writes" | "w" => self.write = checked(DescriptorSet::parse(set))?,
            "fault" | "inject" => return Err(refused(key, INJECTION)),
            "kvm" => return Err(refused(key, KVM)),
            _ => {
                return Err(ExpectedError::Usage(format!(
                    "-e {key}= is not known; use trace, signal, status, quiet, abbrev, verbose, \
                     raw, read, write, decode-fds or decode-pids"
                )));
            }
        }
        Ok(())
    }
}

/// Whether a set of what is shown of ids has their names. Those of the namespace have no other form
/// here: ids are always the host's.
fn names_of_ids(set: &str) -> Result<bool, ExpectedError> {
    let (inverted, set) = match set.strip_prefix('!') {
        Some(set) => (true, set),
        None => (false, set),
    };
    let mut names = false;
    for detail in set.split(',') {
        names |= match detail {
            "comm" | "all" => true,
            "pidns" | "none" => false,
            _ => {
                return Err(ExpectedError::Usage(format!(
                    "invalid detail '{detail}' of ids; use comm, pidns, all or none"
                )));
            }
        };
    }
    Ok(names != inverted)
}

fn refused(key: &str, why: &str) -> ExpectedError {
    ExpectedError::Usage(format!("-e {key}= is not supported: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::qualify::{Message, Status};

    fn read(expressions: &[&str]) -> Result<Expressions, String> {
        let mut all = Expressions::default();
        for expression in expressions {
            let (key, set) = expression.split_once('=').expect("a key");
            all.add(key, set).map_err(|e| e.to_string())?;
        }
        Ok(all)
    }

    #[test]
    fn the_last_set_of_a_key_counts() {
        let all = read(&["trace=read", "t=write", "signal=none", "s=int", "q=exit"]);
        let all = all.expect("valid");
        let trace = all.trace.expect("given");
        assert!(trace.contains(1) && !trace.contains(0));
        assert!(all.signal.expect("given").contains(2));
        assert!(all.quiet.expect("given").contains(Message::Exit));
        assert!(all.status.is_none() && all.raw.is_none() && all.read.is_empty());
        let status = read(&["status=!failed"]).expect("valid").status;
        assert!(!status.expect("given").contains(Status::Failed));
    }

    #[test]
    fn ids_have_names_or_not() {
        let names = |set: &str| read(&[&format!("decode-pids={set}")]).map(|all| all.comms);
        for (set, shown) in [
            ("comm", true),
            ("comm,pidns", true),
            ("all", true),
            ("!comm", false),
        ] {
            assert_eq!(names(set), Ok(Some(shown)), "{set}");
        }
        assert_eq!(
            (names("none"), names("pidns")),
            (Ok(Some(false)), Ok(Some(false)))
        );
        assert!(names("foo").is_err_and(|e| e.contains("'foo' of ids; use comm")));
    }

    #[test]
    fn what_is_refused_says_why() {
        assert_eq!(
            read(&["inject=open:error=EIO"]).expect_err("refused"),
            "-e inject= is not supported: tracer never changes what its target does"
        );
        let unknown = read(&["foo=bar"]).expect_err("unknown");
        assert!(unknown.starts_with("-e foo= is not known; use trace, "));
        let value = read(&["signal=foo"]).expect_err("no signal");
        assert!(value.starts_with("invalid signal 'foo'"));
        assert!(!unknown.contains('\n') && !value.contains('\n'));
    }
}
