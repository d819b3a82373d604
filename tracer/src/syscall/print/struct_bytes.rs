//! Fields of structures in captured bytes. A field outside the bytes reads as zero.

/// Reads fields at byte offsets, in the target's (little-endian) order.
pub(super) trait StructBytes {
    fn array<const N: usize>(&self, offset: usize) -> [u8; N];

    fn u8_at(&self, offset: usize) -> u8 {
        self.array::<1>(offset)[0]
    }

    fn u16_at(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.array(offset))
    }

    fn u32_at(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.array(offset))
    }

    fn i32_at(&self, offset: usize) -> i32 {
        i32::from_le_bytes(self.array(offset))
    }

    fn u64_at(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.array(offset))
    }

    fn i64_at(&self, offset: usize) -> i64 {
        i64::from_le_bytes(self.array(offset))
    }

    /// Port and the like.
    fn be16_at(&self, offset: usize) -> u16 {
        u16::from_be_bytes(self.array(offset))
    }

    fn be32_at(&self, offset: usize) -> u32 {
        u32::from_be_bytes(self.array(offset))
    }
}

impl StructBytes for [u8] {
    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.get(offset..)
            .and_then(|rest| rest.first_chunk())
            .copied()
            .unwrap_or([0; N])
    }
}
