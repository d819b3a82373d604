//! Layout assertions and the marker for types that may be copied from and to bytes.

/// Types without padding or invalid bit patterns.
///
/// # Safety
/// Every byte pattern of `size_of::<Self>()` bytes must be a valid value and the type must have no
/// padding.
pub unsafe trait Pod: Copy + 'static {}

// SAFETY: integers have no padding and no invalid patterns.
unsafe impl Pod for u32 {}
// SAFETY: as above.
unsafe impl Pod for u64 {}

/// Declares a wire type as [`Pod`] and asserts its size and the offset of each named field, which
/// together rule out implicit padding.
#[macro_export]
macro_rules! wire_type {
    ($type:ty, size $size:literal, { $($field:ident @ $offset:literal),+ $(,)? }) => {
        const _: () = {
            assert!(core::mem::size_of::<$type>() == $size, concat!("size of ", stringify!($type)));
            $(assert!(
                core::mem::offset_of!($type, $field) == $offset,
                concat!("offset of ", stringify!($type), ".", stringify!($field)),
            );)+
        };
        // SAFETY: `repr(C)` with the asserted layout: integers and arrays of them, no padding.
        unsafe impl $crate::abi::Pod for $type {}
    };
}
