//! The engine that a series runs on: the accelerator while it is well, else the CPU's.

use super::Accelerator;
use crate::fault::Fault;
use crate::infer::Backend;
use crate::volume::{BitMask, Grid3};

/// Both engines as one; it takes the name of the one that ran last.
pub(in crate::edge) struct Chosen<'a> {
    accelerator: Option<&'a mut Accelerator>,
    cpu: &'a mut dyn Backend,
    ran: String,
}

impl<'a> Chosen<'a> {
    /// `accelerator` first, `cpu` where it does not answer.
    pub(in crate::edge) fn new(
        accelerator: Option<&'a mut Accelerator>,
        cpu: &'a mut dyn Backend,
    ) -> Chosen<'a> {
        Chosen {
            ran: cpu.name().to_owned(),
            accelerator,
            cpu,
        }
    }
}

impl Backend for Chosen<'_> {
    fn name(&self) -> &str {
        &self.ran
    }

    fn segment(&mut self, hu: &Grid3<i16>) -> Result<BitMask, Fault> {
        let accelerator = self.accelerator.as_mut();
        if let Some((name, mask)) = accelerator.and_then(|one| one.segment(hu)) {
            self.ran = name;
            return Ok(mask);
        }
        self.cpu.name().clone_into(&mut self.ran);
        self.cpu.segment(hu)
    }

    fn logits(&mut self, hu: &Grid3<i16>) -> Result<Grid3<f32>, Fault> {
        self.cpu.logits(hu)
    }

    fn prepare(&mut self) {
        self.cpu.prepare();
    }

    fn rest(&mut self) {
        self.cpu.rest();
    }
}
