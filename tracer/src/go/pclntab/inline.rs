//! Frames of one address: the function and every call inlined there.

use crate::go::binary::BinaryError;
use crate::go::binary::elf::u32_at;

use super::lines::Steps;
use super::table::{Pclntab, Record};

/// `abi.PCDATA_InlTreeIndex` and `abi.FUNCDATA_InlTree`, equal in Go 1.18 to 1.27.
const INLINE_INDEX: u32 = 2;
const INLINE_TREE: u8 = 3;
/// Deepest nesting followed; the compiler's inlining budget keeps real ones to some tens.
const MAX_DEPTH: usize = 256;
/// Text of one address after which no more inlined calls are followed, in bytes: a file made to
/// harm could otherwise give millions to each address.
const MAX_TEXT: usize = 64 << 10;
/// Longest name kept of a function or file, in bytes.
const MAX_SHOWN: usize = 4096;

/// One source-level frame.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Frame {
    /// Symbol name as in a Go traceback.
    pub function: String,
    /// Source file as recorded, absolute unless built with `-trimpath`.
    pub file: Option<String>,
    /// Line of the instruction, or of the call for outer frames; 0 if not recorded.
    pub line: u32,
    /// Inlined into the frame that follows.
    pub inlined: bool,
}

/// A call under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is shown of it.
    pub frame: Frame,
    /// `abi.FuncID` of the function (internal/abi/symtab.go): 0 for ordinary ones.
    pub kind: u8,
}

impl Pclntab {
    /// The frames at the link-time address `pc`, innermost first; empty outside Go text.
    ///
    /// For a return address pass the address less one, as `runtime.CallersFrames` does.
    pub fn symbolize(&self, pc: u64) -> Result<Vec<Frame>, BinaryError> {
        let Some(function) = self.function_at(pc)? else {
            return Ok(Vec::new());
        };
        let (calls, _) = self.calls(&self.record(&function)?, pc)?;
        Ok(calls.into_iter().map(|call| call.frame).collect())
    }

    /// The calls under way at `pc` in the function `record`, innermost first; the function itself
    /// is the last. Then where in the function itself the outermost of the inlined calls is: `pc` when
    /// there is none.
    pub(super) fn calls(&self, record: &Record, pc: u64) -> Result<(Vec<Call>, u64), BinaryError> {
        let tree = self.inline_tree(record)?;
        let mut calls: Vec<Call> = Vec::new();
        let (mut pc, mut text, mut steps) = (pc, 0, Steps::default());
        while let Some((values, tree)) = tree
            && calls.len() < MAX_DEPTH
            && text < MAX_TEXT
            && let Some(call) = self.inlined_call(record, values, tree, pc, &mut steps)?
        {
            let mut frame = self.frame(record, call.name, pc, &mut steps)?;
            text += frame.function.len() + frame.file.as_ref().map_or(0, String::len);
            frame.inlined = true;
            calls.push(Call {
                frame,
                kind: call.kind,
            });
            pc = record.entry.wrapping_add(u64::from(call.parent));
        }
        calls.push(Call {
            frame: self.frame(record, record.name, pc, &mut steps)?,
            kind: record.kind,
        });
        Ok((calls, pc))
    }

    fn frame(
        &self,
        record: &Record,
        name: u32,
        pc: u64,
        steps: &mut Steps,
    ) -> Result<Frame, BinaryError> {
        let (file, line) = self.file_line(record, pc, steps)?;
        Ok(Frame {
            function: shown(self.name_at(name)?),
            file: file.map(shown),
            line,
            inlined: false,
        })
    }

    /// (pc-value table of tree indexes, file offset of the tree); `None` for functions without
    /// inlined calls.
    fn inline_tree(&self, record: &Record) -> Result<Option<(u32, u64)>, BinaryError> {
        if record.pcdata_count <= INLINE_INDEX || record.funcdata_count <= INLINE_TREE {
            return Ok(None);
        }
        let Some(base) = self.funcdata_base else {
            return Ok(None);
        };
        let values = self
            .source
            .read_u32(record.tail + u64::from(INLINE_INDEX) * 4)?;
        let slot = u64::from(record.pcdata_count) + u64::from(INLINE_TREE);
        let tree = self.source.read_u32(record.tail + slot * 4)?;
        let at = base.saturating_add(u64::from(tree));
        Ok((values != 0 && tree != u32::MAX).then_some((values, at)))
    }

    /// The call inlined at `pc`. Entries are `runtime.inlinedCall`: 20 bytes with the kind at 2, the
    /// name at 12 and the parent at 16 before Go 1.20, 16 bytes with them at 0, 4 and 8 since.
    fn inlined_call(
        &self,
        record: &Record,
        values: u32,
        tree: u64,
        pc: u64,
        steps: &mut Steps,
    ) -> Result<Option<InlinedCall>, BinaryError> {
        let index = self.value_at(values, record, pc, steps)?;
        let Some(index) = index.and_then(|index| u64::try_from(index).ok()) else {
            return Ok(None);
        };
        let (size, kind, name, parent) = if self.header.has_start_line {
            (16, 0, 4, 8)
        } else {
            (20, 2, 12, 16)
        };
        let mut entry = [0; 20];
        self.source.read(
            tree.saturating_add(index * size),
            &mut entry[..size as usize],
        )?;
        Ok(Some(InlinedCall {
            kind: entry[kind],
            name: u32_at(&entry, name),
            parent: u32_at(&entry, parent),
        }))
    }
}

/// `text`, cut to what can be shown.
fn shown(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_SHOWN));
    text
}

struct InlinedCall {
    kind: u8,
    name: u32,
    /// Offset from the function's entry of an instruction at the call site.
    parent: u32,
}
