//! Crate [`clapper`].

use super::{Failed, Pool, TensorInfo};

pub(super) const RESIZES: bool = true;

pub(super) struct Engine {
    network: clapper::Network,
}

impl Engine {
    /// `size`: rows and columns, if they may be others than the file's.
    pub(super) fn load(bytes: &[u8], size: Option<[usize; 2]>, threads: usize) -> Result<Self, String> {
        let options = clapper::Options { input: size, threads, ..clapper::Options::default() };
        let network = clapper::Network::load_with(bytes, &options).map_err(|error| error.to_string())?;
        Ok(Self { network })
    }

    pub(super) fn inputs(&self) -> Vec<TensorInfo> {
        self.network.inputs().iter().map(info).collect()
    }

    pub(super) fn outputs(&self) -> Vec<TensorInfo> {
        self.network.outputs().iter().map(info).collect()
    }

    pub(super) fn input(&mut self) -> &mut [i8] {
        self.network.input_mut(0)
    }

    pub(super) fn run(&mut self) -> Result<(), Failed> {
        self.network.run();
        Ok(())
    }

    pub(super) fn run_on(&mut self, pool: &mut Pool) -> Result<(), Failed> {
        self.network.run_on(pool);
        Ok(())
    }

    #[cfg(feature = "ledger")]
    pub(super) fn run_in_turn(
        &mut self,
        threads: usize,
        mut observe: impl FnMut(usize, usize),
    ) -> Result<(), Failed> {
        self.network.run_in_turn(threads, |operation, _, piece| observe(operation, piece));
        Ok(())
    }

    pub(super) fn output(&self, index: usize) -> &[i8] {
        self.network.output(index)
    }
}

fn info(tensor: &clapper::TensorInfo) -> TensorInfo {
    TensorInfo {
        name: tensor.name.clone(),
        shape: tensor.shape.to_vec(),
        quantization: tensor.quantization.ok_or_else(|| format!("of type {:?}", tensor.element)),
    }
}
