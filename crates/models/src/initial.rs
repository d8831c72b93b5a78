//! Fresh parameters: drawn from a key, so that a seed decides them whatever else is drawn, and only when nothing is loaded over them.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Shape, Tensor, TensorData};
use engraft_kernels::Key;

/// Where and from what fresh parameters are made.
#[derive(Clone, Debug)]
pub struct Initial {
    /// The device they live on; an autodiff device for training.
    pub device: Device,
    /// What the draws depend on.
    pub key: Key,
}

impl Initial {
    /// For part number `coordinate` of a module.
    pub fn at(&self, coordinate: u64) -> Self {
        Self {
            device: self.device.clone(),
            key: self.key.with(coordinate),
        }
    }

    /// Normal draws of standard deviation `range`.
    pub(crate) fn normal<const D: usize>(&self, shape: [usize; D], range: f64) -> Param<Tensor<D>> {
        let key = self.key;
        self.param(shape, move |index| (range * key.normal(index)) as f32)
    }

    /// Uniform draws in `[-bound, bound)`.
    pub(crate) fn uniform<const D: usize>(
        &self,
        shape: [usize; D],
        bound: f64,
    ) -> Param<Tensor<D>> {
        let key = self.key;
        self.param(shape, move |index| {
            (bound * (2.0 * key.uniform(index) - 1.0)) as f32
        })
    }

    /// The table of sines (even columns) and cosines (odd ones) of Vaswani et al., arXiv 1706.03762.
    pub(crate) fn sinusoidal(&self, [rows, columns]: [usize; 2]) -> Param<Tensor<2>> {
        self.param([rows, columns], move |index| {
            let (row, column) = (index / columns as u64, index % columns as u64);
            let angle = row as f64 / 10_000f64.powf((column / 2 * 2) as f64 / columns as f64);
            (if column % 2 == 0 {
                angle.sin()
            } else {
                angle.cos()
            }) as f32
        })
    }

    /// The identity of `count` rows, which is not trained.
    pub(crate) fn identity(&self, count: usize) -> Param<Tensor<2>> {
        let identity = self.param([count, count], move |index| {
            f32::from(index / count as u64 == index % count as u64)
        });
        identity.set_require_grad(false)
    }

    /// The same value everywhere.
    pub(crate) fn constant<const D: usize>(
        &self,
        shape: [usize; D],
        value: f32,
    ) -> Param<Tensor<D>> {
        self.param(shape, move |_| value)
    }

    /// A parameter whose elements are made when it is first used: never, if a checkpoint's take its place.
    fn param<const D: usize>(
        &self,
        shape: [usize; D],
        element: impl Fn(u64) -> f32 + Send + Sync + 'static,
    ) -> Param<Tensor<D>> {
        Param::uninitialized(
            ParamId::new(),
            move |device, require_grad| {
                let count = shape.iter().product::<usize>() as u64;
                let values: Vec<f32> = (0..count).map(&element).collect();
                let tensor = Tensor::from_data(TensorData::new(values, shape), device);
                if require_grad {
                    tensor.require_grad()
                } else {
                    tensor
                }
            },
            self.device.clone(),
            true,
            Shape::from(shape),
        )
    }
}
