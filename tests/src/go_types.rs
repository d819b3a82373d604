//! Where the DWARF of a Go program says that the fields of its structures lie.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Read;
use std::path::Path;

use gimli::{AttributeValue, DebuggingInformationEntry, DwTag, EndianSlice, LittleEndian, Unit};
use object::{CompressionFormat, Object, ObjectSection};

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The structures that a program describes in its DWARF.
#[derive(Debug, Default)]
pub struct GoTypes {
    /// By name, its place.
    by_name: BTreeMap<String, usize>,
    /// By place in `.debug_info`.
    types: BTreeMap<usize, Type>,
}

#[derive(Debug)]
enum Type {
    Structure(Structure),
    /// Another name of the type at that place.
    Typedef(usize),
}

#[derive(Debug, Default)]
struct Structure {
    size: Option<u64>,
    members: BTreeMap<String, Member>,
}

#[derive(Debug)]
struct Member {
    offset: u64,
    of: usize,
}

impl GoTypes {
    /// Reads them.
    ///
    /// # Errors
    /// When the file has no DWARF, or it cannot be read.
    pub fn read(program: &Path) -> Result<Self> {
        let bytes = std::fs::read(program)?;
        let file = object::File::parse(&*bytes)?;
        let sections = gimli::DwarfSections::load(|id| section(&file, id.name()))?;
        let dwarf = sections.borrow(|bytes| EndianSlice::new(bytes, LittleEndian));
        let mut found = Self::default();
        let mut units = dwarf.units();
        while let Some(header) = units.next()? {
            let unit = dwarf.unit(header)?;
            found.add_unit(&dwarf, &unit)?;
        }
        if found.by_name.is_empty() {
            let program = program.display();
            return Err(format!("{program} has no DWARF: build it without -s and -w").into());
        }
        Ok(found)
    }

    /// Bytes from the start of `structure` to field `path`, where a field of a field is written
    /// with a dot; its size for `sizeof`.
    #[must_use]
    pub fn offset(&self, structure: &str, path: &str) -> Option<u64> {
        let mut of = *self.by_name.get(structure)?;
        if path == "sizeof" {
            return self.structure(of)?.size;
        }
        let mut sum = 0;
        for name in path.split('.') {
            let member = self.structure(of)?.members.get(name)?;
            sum += member.offset;
            of = member.of;
        }
        Some(sum)
    }

    /// What is at that place, by whatever name.
    fn structure(&self, mut place: usize) -> Option<&Structure> {
        // Names of names are few; a circle of them is no type.
        for _ in 0..16 {
            match self.types.get(&place)? {
                Type::Structure(structure) => return Some(structure),
                Type::Typedef(other) => place = *other,
            }
        }
        None
    }

    fn add_unit(&mut self, dwarf: &gimli::Dwarf<Slice<'_>>, unit: &Unit<Slice<'_>>) -> Result<()> {
        let mut entries = unit.entries();
        // The structure whose members come next, and how deep they are.
        let mut open: Option<(usize, isize)> = None;
        while let Some(entry) = entries.next_dfs()? {
            let depth = entry.depth();
            if open.is_some_and(|(_, of)| depth != of + 1) {
                open = None;
            }
            let text = |name| text(dwarf, unit, entry, name);
            let place = place(unit, entry.offset());
            match entry.tag() {
                gimli::DW_TAG_structure_type => {
                    let size = entry.attr_value(gimli::DW_AT_byte_size);
                    let structure = Structure {
                        size: size.and_then(|value| value.udata_value()),
                        members: BTreeMap::new(),
                    };
                    self.types.insert(place, Type::Structure(structure));
                    open = Some((place, depth));
                    self.add_name(place, text(gimli::DW_AT_name)?);
                }
                gimli::DW_TAG_typedef => {
                    if let Some(of) = type_of(unit, entry) {
                        self.types.insert(place, Type::Typedef(of));
                        self.add_name(place, text(gimli::DW_AT_name)?);
                    }
                }
                gimli::DW_TAG_member => {
                    let name = text(gimli::DW_AT_name)?;
                    let offset = entry.attr_value(gimli::DW_AT_data_member_location);
                    let offset = offset.and_then(|value| value.udata_value());
                    let structure = open.and_then(|(at, _)| self.types.get_mut(&at));
                    if let (Some(name), Some(offset), Some(of), Some(Type::Structure(open))) =
                        (name, offset, type_of(unit, entry), structure)
                    {
                        open.members.insert(name, Member { offset, of });
                    }
                }
                DwTag(_) => {}
            }
        }
        Ok(())
    }

    /// A typedef and its structure have one name in Go: either will do.
    fn add_name(&mut self, place: usize, name: Option<String>) {
        if let Some(name) = name {
            self.by_name.entry(name).or_insert(place);
        }
    }
}

fn text<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
    entry: &DebuggingInformationEntry<Slice<'a>>,
    name: gimli::DwAt,
) -> Result<Option<String>> {
    let Some(value) = entry.attr_value(name) else {
        return Ok(None);
    };
    let text = dwarf.attr_string(unit, value)?;
    Ok(Some(text.to_string_lossy().into_owned()))
}

/// The place of an entry in `.debug_info`.
fn place(unit: &Unit<Slice<'_>>, at: gimli::UnitOffset) -> usize {
    at.to_debug_info_offset(&unit.header)
        .map_or(usize::MAX, |offset| offset.0)
}

fn type_of<'a>(
    unit: &Unit<Slice<'a>>,
    entry: &DebuggingInformationEntry<Slice<'a>>,
) -> Option<usize> {
    match entry.attr_value(gimli::DW_AT_type)? {
        AttributeValue::UnitRef(at) => Some(place(unit, at)),
        AttributeValue::DebugInfoRef(offset) => Some(offset.0),
        _ => None,
    }
}

/// What is in a section, which Go's linker compresses unless told otherwise.
fn section<'a>(file: &object::File<'a>, name: &str) -> Result<Cow<'a, [u8]>> {
    let Some(section) = file.section_by_name(name) else {
        return Ok(Cow::Borrowed(&[]));
    };
    let data = section.compressed_data()?;
    match data.format {
        CompressionFormat::None => Ok(Cow::Borrowed(data.data)),
        CompressionFormat::Zlib => {
            let mut text = Vec::new();
            flate2::read::ZlibDecoder::new(data.data).read_to_end(&mut text)?;
            Ok(Cow::Owned(text))
        }
        other => Err(format!("section {name} is compressed as {other:?}").into()),
    }
}
