//! One row of call frame information as a [`Rule`].

use gimli::{CfaRule, EhFrame, EndianSlice, LittleEndian, RegisterRule, UnwindTableRow};
use tracer_common::unwind::{Rule, cfa, saved};

use super::expression::{Meaning, meaning};

/// The bytes of a section.
pub(super) type Bytes<'a> = EndianSlice<'a, LittleEndian>;
/// `.eh_frame`.
pub(super) type Section<'a> = EhFrame<Bytes<'a>>;

/// Numbers of the System V ABI for x86_64, figure 3.36.
pub(super) const RBP: gimli::Register = gimli::Register(6);
pub(super) const RSP: gimli::Register = gimli::Register(7);
pub(super) const RETURN_ADDRESS: gimli::Register = gimli::Register(16);

/// In the signal trampoline, from the stack pointer to the interrupted one: `ucontext.uc_mcontext`
/// at 40, `rsp` in it at 120 (arch/x86/include/uapi/asm/sigcontext.h).
const INTERRUPTED_RSP: i64 = 160;

/// Shortens a row. What cannot be said in a rule becomes [`Rule::NONE`].
pub(super) fn rule(section: &Section<'_>, row: &UnwindTableRow<usize>, is_signal: bool) -> Rule {
    let base = cfa_of(section, row.cfa());
    if is_signal {
        return match base {
            Some((cfa::AT_STACK, INTERRUPTED_RSP)) => {
                Rule::new(cfa::SIGNAL, 0, saved::SAME, 0).unwrap_or(Rule::NONE)
            }
            _ => Rule::NONE,
        };
    }
    match row.register(RETURN_ADDRESS) {
        Some(RegisterRule::Offset(-8)) => {}
        // Nowhere to return to: the outermost function.
        None | Some(RegisterRule::Undefined) => return Rule::ROOT,
        Some(_) => return Rule::NONE,
    }
    let (saved, below) = saved_rbp(section, row.register(RBP));
    base.and_then(|(kind, offset)| Rule::new(kind, offset, saved, below))
        .unwrap_or(Rule::NONE)
}

/// The kind of a CFA and its offset.
fn cfa_of(section: &Section<'_>, rule: &CfaRule<usize>) -> Option<(u32, i64)> {
    match rule {
        CfaRule::RegisterAndOffset { register, offset } => match *register {
            RSP => Some((cfa::STACK, *offset)),
            RBP => Some((cfa::FRAME, *offset)),
            _ => None,
        },
        CfaRule::Expression(expression) => {
            let bytes = expression.get(section).ok()?;
            match meaning(bytes.0.slice())? {
                Meaning::FramePlus(offset) => Some((cfa::FRAME, offset)),
                Meaning::AtFrame(offset) => Some((cfa::AT_FRAME, offset)),
                Meaning::AtStack(offset, 0) => Some((cfa::AT_STACK, offset)),
                Meaning::AtStack(offset, 8) => Some((cfa::AT_STACK_8, offset)),
                Meaning::AtStack(..) => None,
                Meaning::Linkage(number) => Some((cfa::LINKAGE, i64::from(number) * 8)),
            }
        }
    }
}

/// Where rbp was saved, and how far below the CFA.
fn saved_rbp(section: &Section<'_>, rule: Option<RegisterRule<usize>>) -> (u32, i64) {
    match rule {
        None | Some(RegisterRule::SameValue) => (saved::SAME, 0),
        Some(RegisterRule::Offset(offset)) if (-8184..0).contains(&offset) && offset % 8 == 0 => {
            (saved::BELOW_CFA, -offset)
        }
        Some(RegisterRule::Expression(expression)) => {
            let bytes = expression.get(section).ok();
            match bytes.and_then(|b| meaning(b.0.slice())) {
                Some(Meaning::FramePlus(0)) => (saved::AT_FRAME, 0),
                _ => (saved::LOST, 0),
            }
        }
        Some(_) => (saved::LOST, 0),
    }
}
