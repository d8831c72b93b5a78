//! What is trained or loaded: named towers, and the head that stands on them.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use engraft_generate::LanguageModel;
use engraft_models::{
    BoxedHead, CausalLmHead, Compute, DECODER, DecoderStart, Head, HeadKind, ParameterPath, Tower,
    Towers, Transformer, parameters,
};

use crate::cached::CachedEncoder;
use crate::error::{Error, Result};

/// The path of the head's parameters.
const HEAD: &str = "head";

/// All weights of a task; how they are used is the affair of its [`Objective`](crate::Objective).
///
/// The path of a parameter begins with its tower's name, or with `head`. A clone is cheap: values are shared until one of the two changes
/// them.
#[derive(Clone, Debug)]
pub struct Network {
    towers: Towers,
    head: BoxedHead,
    /// What the first tower has computed before, where that is kept.
    pub(crate) cached: Option<Arc<CachedEncoder>>,
    /// What a decoder begins with that reads what its encoder does.
    start: Option<DecoderStart>,
    /// Where its weights are.
    device: Device,
}

impl Network {
    /// Puts a head on towers.
    pub fn new(towers: Towers, head: BoxedHead, compute: &Compute) -> Self {
        Self {
            towers,
            head,
            cached: None,
            start: None,
            device: compute.device.clone(),
        }
    }

    /// Its transformers.
    pub fn towers(&self) -> &Towers {
        &self.towers
    }

    /// The first of its transformers.
    pub fn encoder(&self) -> &Transformer {
        self.towers.first()
    }

    /// The decoder beside the encoder, if there is one.
    pub fn decoder(&self) -> Option<&Transformer> {
        self.towers.get(DECODER)
    }

    /// The same with a decoder beside the encoder, on whose hidden states the head then stands.
    #[must_use]
    pub(crate) fn with_decoder(self, transformer: Transformer, start: DecoderStart) -> Self {
        let name = DECODER;
        Self {
            towers: self.towers.with(Tower { name, transformer }),
            start: Some(start),
            ..self
        }
    }

    /// What it is to write texts by, which shares its weights; none if its head is no language model's.
    pub fn language_model(&self) -> Option<LanguageModel> {
        let head: &dyn Any = self.head();
        let head = head.downcast_ref::<CausalLmHead>()?.clone();
        let device = self.device.clone();
        let encoder = self.encoder().clone();
        Some(match self.decoder() {
            Some(decoder) => LanguageModel::new(decoder.clone(), head, device).after(encoder),
            None => LanguageModel::new(encoder, head, device),
        })
    }

    /// What its decoder begins with.
    pub(crate) fn start(&self) -> Option<DecoderStart> {
        self.start
    }

    /// What stands on them.
    pub fn head(&self) -> &dyn Head {
        self.head.head()
    }

    /// The same, as the module that holds its parameters.
    pub fn head_parameters(&self) -> &BoxedHead {
        &self.head
    }

    /// Which kind of head it has.
    pub fn head_kind(&self) -> HeadKind {
        self.head().kind()
    }

    /// What computes it.
    pub fn device(&self) -> Device {
        self.device.clone()
    }

    /// The same with another head.
    #[must_use]
    pub fn with_head(self, head: BoxedHead) -> Self {
        Self { head, ..self }
    }

    /// Whether the head stays as it is: beside LoRA updates, as PEFT has it, one that a language model was trained with does.
    pub(crate) fn head_rests(&self) -> bool {
        let writes = matches!(self.head_kind(), HeadKind::CausalLm | HeadKind::Seq2SeqLm);
        writes && self.is_adapted()
    }

    /// Whether the first backbone has LoRA updates, in either of its stacks.
    pub fn is_adapted(&self) -> bool {
        self.encoder().is_adapted() || self.decoder().is_some_and(Transformer::is_adapted)
    }

    /// The same with a head that is not trained.
    pub(crate) fn with_resting_head(self) -> Self {
        Self {
            head: self.head.no_grad(),
            ..self
        }
    }

    /// The same with a tower whose weights are not trained; its dropout stays on. LoRA updates are trained all the same.
    pub(crate) fn frozen(self, name: &str) -> Self {
        let change = |of: &'static str, tower: Transformer| {
            if of != name || tower.is_adapted() {
                tower
            } else {
                tower.no_grad()
            }
        };
        Self {
            towers: self.towers.map(change),
            ..self
        }
    }

    /// The same with LoRA updates added to the weights that they stand beside.
    #[must_use]
    pub fn with_merged_lora(self) -> Self {
        self.with_towers(|mut tower| {
            tower.merge_lora();
            tower
        })
    }

    /// The same with the values of another's parameters; what only this one has stays as it is.
    ///
    /// # Errors
    /// It lacks one of the other's, or has it in another shape.
    pub fn with_values_of(self, other: &Self) -> Result<Self> {
        let values = parameters(other).into_iter();
        let values = values.map(|(path, shape, values)| (path, (shape, values)));
        let mut taking = TakeOver {
            path: ParameterPath::default(),
            values: values.collect(),
        };
        let network = self.map(&mut taking);
        match taking.values.into_keys().min() {
            Some(path) => Err(Error::Saved(format!(
                "{path} of the model that it goes on from has no place in it"
            ))),
            None => Ok(network),
        }
    }

    /// The same with each tower changed.
    pub(crate) fn with_towers(self, mut change: impl FnMut(Transformer) -> Transformer) -> Self {
        Self {
            towers: self.towers.map(|_, tower| change(tower)),
            ..self
        }
    }

    /// The same with each part changed.
    fn with_parts(
        self,
        tower: impl FnMut(&'static str, Transformer) -> Transformer,
        head: impl FnOnce(BoxedHead) -> BoxedHead,
    ) -> Self {
        Self {
            towers: self.towers.map(tower),
            head: head(self.head),
            ..self
        }
    }
}

/// Replaces values of parameters by their paths.
struct TakeOver {
    path: ParameterPath,
    values: HashMap<String, (Vec<usize>, Tensor<1>)>,
}

impl ModuleMapper for TakeOver {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.leave(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.joined();
        let fits = |(shape, _): &(Vec<usize>, _)| *shape == param.dims();
        if !self.values.get(&path).is_some_and(fits) {
            return param;
        }
        match self.values.remove(&path) {
            Some((_, values)) => param.map(|tensor| values.reshape(tensor.dims())),
            None => param,
        }
    }
}

/// What holds the parts, as walkers are told.
const CONTAINER: &str = "Struct:Network";

impl Module for Network {
    fn collect_devices(&self, devices: Devices) -> Devices {
        let towers = self.towers.iter();
        let devices = towers.fold(devices, |devices, Tower { transformer, .. }| {
            transformer.collect_devices(devices)
        });
        self.head.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        let forked = self.with_parts(|_, tower| tower.fork(device), |head| head.fork(device));
        Self {
            device: device.clone(),
            ..forked
        }
    }

    fn to_device(self, device: &Device) -> Self {
        let moved = self.with_parts(
            |_, tower| tower.to_device(device),
            |head| head.to_device(device),
        );
        Self {
            device: device.clone(),
            ..moved
        }
    }

    fn train(self) -> Self {
        self.with_parts(|_, tower| tower.train(), Module::train)
    }

    fn valid(&self) -> Self {
        // The values are shared, so this costs nothing.
        let copy = self.clone();
        copy.with_parts(|_, tower| tower.valid(), |head| head.valid())
    }

    fn materialize(self) -> Self {
        self.with_parts(|_, tower| tower.materialize(), Module::materialize)
    }

    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        for Tower { name, transformer } in self.towers.iter() {
            visitor.enter_module(name, CONTAINER);
            transformer.visit(visitor);
            visitor.exit_module(name, CONTAINER);
        }
        visitor.enter_module(HEAD, CONTAINER);
        self.head.visit(visitor);
        visitor.exit_module(HEAD, CONTAINER);
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        let towers = self.towers.map(|name, tower| {
            mapper.enter_module(name, CONTAINER);
            let tower = tower.map(mapper);
            mapper.exit_module(name, CONTAINER);
            tower
        });
        mapper.enter_module(HEAD, CONTAINER);
        let head = self.head.map(mapper);
        mapper.exit_module(HEAD, CONTAINER);
        Self {
            towers,
            head,
            ..self
        }
    }
}
