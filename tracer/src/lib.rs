pub mod go; pub mod syscall; pub mod symbol;
