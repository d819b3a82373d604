use super::*;
use crate::event::{Capture, StopReason};
use tracer_common::capture::kind;
