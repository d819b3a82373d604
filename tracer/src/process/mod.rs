//! What is known of target processes from `/proc`: where files are mapped, the files themselves,
//! kept open so that they can be read after the process or its files are gone, and what their
//! descriptors refer to. Also holds the memory of a process beyond its end.

mod address_space;
mod descriptor_calls;
mod descriptor_links;
mod descriptor_names;
mod descriptors;
mod files;
mod interface;
mod made;
mod mapping_events;
mod maps;
mod memory_hold;
mod netlink;
mod perf_ring;
mod real_path;
mod smaps;
mod sockets;
mod thread_sample;

pub use address_space::{AddressSpace, AddressSpaceError};
pub use descriptor_calls::{returns_descriptor, stores_descriptors, tracked_calls};
pub use descriptor_names::DescriptorNames;
pub use descriptors::{Descriptors, path_argument};
pub use files::{MappedFile, MappedFiles};
pub use interface::interface_name;
pub use mapping_events::{MappingEvent, MappingEvents, Told};
pub use maps::{Mapping, Maps, Perms};
pub use memory_hold::{MemoryHold, MemoryHoldError};
pub use netlink::NetlinkSockets;
pub use smaps::{MappingMemory, Smaps};
pub use thread_sample::{ThreadSample, ThreadSamples};
