//! What every head has in common, and any of them behind a box.
//!
//! A network does not know which head stands on its towers: it holds a [`BoxedHead`], and so a task may bring one of its own. Burn's
//! `Module` walks over parameters by generic methods, which no box can have; the box goes through object-safe twins of the walkers.

use std::any::Any;
use std::fmt::Debug;

use burn::module::{Devices, Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use engraft_kernels::{ClassTargets, Segments, cross_entropy};

use crate::adapters::Pooling;
use crate::batch::TokenBatch;
use crate::mode::Mode;
use crate::names::HeadKind;
use crate::pairs::PairTargets;
use crate::towers::Towers;

/// What a head computes from.
pub struct HeadInput<'a> {
    /// Hidden states: `[tokens, hidden]` of the tokens that are asked for, or `[sequences, hidden]` if they are pooled already.
    pub hidden: Tensor<2>,
    /// How many of the hidden states each row has, where they are of tokens.
    pub of_row: &'a [usize],
    /// All tokens of the batch, which say where its sequences begin and end.
    pub tokens: &'a TokenBatch,
    /// Whether the hidden states are pooled as [`Head::pooling`] says.
    pub is_pooled: bool,
    /// The towers that the hidden states come from, whose embeddings a tied head reads.
    pub towers: &'a Towers,
    /// Those of the other towers, in their order; empty where there is one.
    pub others: &'a [TowerStates],
    /// The tokens that are asked for, where the head reads whole rows and not all are; `[sites]`.
    pub sites: Option<Tensor<1, Int>>,
    /// What the head is told of each sequence, `[sequences, width]`.
    pub conditions: Option<Tensor<2>>,
}

/// What a tower other than the first gives.
pub struct TowerStates {
    /// Hidden states, `[tokens, hidden]`.
    pub hidden: Tensor<2>,
    /// The tokens that they are of.
    pub tokens: TokenBatch,
}

impl HeadInput<'_> {
    /// Which of the hidden states are of which row.
    pub(crate) fn rows(&self) -> Segments {
        Segments::from_lengths(self.of_row.iter().copied())
    }
}

/// What stands on the towers: from hidden states to outputs.
pub trait Head: Debug + Send + Sync + Any {
    /// `[rows, values]`: a row for each sequence if the head pools, else one for each token that is asked for.
    fn forward(&self, input: HeadInput<'_>, mode: Mode) -> Tensor<2>;

    /// How hidden states become one vector a sequence before they meet anything that is trained; none for a head on every token.
    fn pooling(&self) -> Option<Pooling> {
        None
    }

    /// Whether it reads the hidden states of all tokens, whichever are asked for.
    fn reads_rows(&self) -> bool {
        false
    }

    /// Which of the family's heads it is, which names its tensors in checkpoints; a head of a task's own is saved as `adapter`.
    fn kind(&self) -> HeadKind {
        HeadKind::Adapter
    }

    /// The loss of predicting one class for each row of `input`: the sum `[1]`, and each row's loss, with 1 if its class was the likeliest,
    /// `[rows, 2]`. A head on a large vocabulary does it without ever holding all logits.
    fn class_losses(
        &self,
        input: HeadInput<'_>,
        targets: ClassTargets,
        mode: Mode,
    ) -> (Tensor<1>, Tensor<2>) {
        let device = input.hidden.device();
        let rows = targets.classes.len();
        let logits = self.forward(input, mode);
        let classes: Vec<i64> = targets.classes.iter().map(|&it| i64::from(it)).collect();
        let classes = TensorData::new(classes, [rows, 1]);
        let classes = Tensor::<2, Int>::from_data(classes, &device);
        let hits = logits.clone().argmax(1).equal(classes.clone()).float();
        let losses = log_softmax(logits.clone(), 1).gather(1, classes).neg();
        (
            cross_entropy(logits, targets),
            Tensor::cat(vec![losses, hits], 1),
        )
    }

    /// The loss of predicting yes or no for each pair of tokens of a row: the weighted sum `[1]`, and the logits of each row's plane,
    /// `[pairs of all rows, 1]`, which are outside the graph. A head on pairs does it without ever holding what its layers make of all pairs;
    /// this is what any does whose outputs are such logits.
    fn pair_losses(
        &self,
        input: HeadInput<'_>,
        targets: &PairTargets,
        mode: Mode,
    ) -> (Tensor<1>, Tensor<2>) {
        let logits = self.forward(input, mode);
        (targets.loss_of_all(logits.clone()), logits.inner())
    }
}

/// Any head, with its parameters.
#[derive(Debug)]
pub struct BoxedHead(Box<dyn AnyHead>);

impl BoxedHead {
    /// Puts a head behind a box.
    pub fn new(head: impl Head + Module + 'static) -> Self {
        Self(Box::new(head))
    }

    /// The head.
    pub fn head(&self) -> &dyn Head {
        self.0.head()
    }
}

impl Clone for BoxedHead {
    fn clone(&self) -> Self {
        Self(self.0.boxed_clone())
    }
}

/// [`Head`] and `Module` as methods that a box can have.
trait AnyHead: Debug + Send + Sync {
    fn head(&self) -> &dyn Head;
    fn boxed_clone(&self) -> Box<dyn AnyHead>;
    fn collect_devices(&self, devices: Devices) -> Devices;
    fn fork(self: Box<Self>, device: &Device) -> Box<dyn AnyHead>;
    fn to_device(self: Box<Self>, device: &Device) -> Box<dyn AnyHead>;
    fn train(self: Box<Self>) -> Box<dyn AnyHead>;
    fn valid(&self) -> Box<dyn AnyHead>;
    fn materialize(self: Box<Self>) -> Box<dyn AnyHead>;
    fn visit(&self, visitor: &mut dyn AnyVisitor);
    fn map(self: Box<Self>, mapper: &mut dyn AnyMapper) -> Box<dyn AnyHead>;
}

impl<H: Head + Module + 'static> AnyHead for H {
    fn head(&self) -> &dyn Head {
        self
    }

    fn boxed_clone(&self) -> Box<dyn AnyHead> {
        Box::new(self.clone())
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        Module::collect_devices(self, devices)
    }

    fn fork(self: Box<Self>, device: &Device) -> Box<dyn AnyHead> {
        Box::new(Module::fork(*self, device))
    }

    fn to_device(self: Box<Self>, device: &Device) -> Box<dyn AnyHead> {
        Box::new(Module::to_device(*self, device))
    }

    fn train(self: Box<Self>) -> Box<dyn AnyHead> {
        Box::new(Module::train(*self))
    }

    fn valid(&self) -> Box<dyn AnyHead> {
        Box::new(Module::valid(self))
    }

    fn materialize(self: Box<Self>) -> Box<dyn AnyHead> {
        Box::new(Module::materialize(*self))
    }

    fn visit(&self, visitor: &mut dyn AnyVisitor) {
        Module::visit(self, &mut Inner(visitor));
    }

    fn map(self: Box<Self>, mapper: &mut dyn AnyMapper) -> Box<dyn AnyHead> {
        Box::new(Module::map(*self, &mut Inner(mapper)))
    }
}

impl Module for BoxedHead {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self(self.0.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        Self(self.0.to_device(device))
    }

    fn train(self) -> Self {
        Self(self.0.train())
    }

    fn valid(&self) -> Self {
        Self(self.0.valid())
    }

    fn materialize(self) -> Self {
        Self(self.0.materialize())
    }

    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        self.0.visit(&mut Outer(visitor));
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        Self(self.0.map(&mut Outer(mapper)))
    }
}

/// A walker outside the box, which has a method for parameters of each type.
struct Outer<'a, W>(&'a mut W);

/// The same walker inside the box, as the `Module` of the head is given it.
struct Inner<'a, W: ?Sized>(&'a mut W);

/// A `ModuleVisitor` that a box can be given.
trait AnyVisitor {
    fn enter(&mut self, name: &str, container: &str);
    fn leave(&mut self, name: &str, container: &str);
    /// Visits a `&Param<..>` of any type that parameters have.
    fn visit(&mut self, param: &dyn Any);
}

/// A `ModuleMapper` that a box can be given.
trait AnyMapper {
    fn enter(&mut self, name: &str, container: &str);
    fn leave(&mut self, name: &str, container: &str);
    /// Maps a `Param<..>` of any type that parameters have, to one of the same type.
    fn map(&mut self, param: Box<dyn Any>) -> Box<dyn Any>;
}

/// Calls a macro for every type of a parameter, with the methods of walkers for it.
macro_rules! for_each_type {
    ($call:ident) => {
        for_each_type!($call, Tensor<1>, Tensor<2>, Tensor<3>, Tensor<4>, Tensor<5>; visit_float, map_float);
        for_each_type!($call, Tensor<1, Int>, Tensor<2, Int>, Tensor<3, Int>; visit_int, map_int);
        for_each_type!($call, Tensor<1, Bool>, Tensor<2, Bool>, Tensor<3, Bool>; visit_bool, map_bool);
        for_each_type!($call, Flag; visit_flag, map_flag);
    };
    ($call:ident, $($type:ty),+; $visit:ident, $map:ident) => {
        $($call!($type, $visit, $map);)+
    };
}

impl<V: ModuleVisitor> AnyVisitor for Outer<'_, V> {
    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }

    fn leave(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }

    fn visit(&mut self, param: &dyn Any) {
        macro_rules! attempt {
            ($type:ty, $visit:ident, $map:ident) => {
                if let Some(param) = param.downcast_ref::<Param<$type>>() {
                    return self.0.$visit(param);
                }
            };
        }
        for_each_type!(attempt);
    }
}

impl<M: ModuleMapper> AnyMapper for Outer<'_, M> {
    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }

    fn leave(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }

    fn map(&mut self, mut param: Box<dyn Any>) -> Box<dyn Any> {
        macro_rules! attempt {
            ($type:ty, $visit:ident, $map:ident) => {
                param = match param.downcast::<Param<$type>>() {
                    Ok(param) => return Box::new(self.0.$map(*param)),
                    Err(other) => other,
                };
            };
        }
        for_each_type!(attempt);
        param
    }
}

impl ModuleVisitor for Inner<'_, dyn AnyVisitor + '_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.leave(name, container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.visit(param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.0.visit(param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.0.visit(param);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.visit(flag);
    }
}

impl ModuleMapper for Inner<'_, dyn AnyMapper + '_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }

    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.leave(name, container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        mapped(self.0, param)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        mapped(self.0, param)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        mapped(self.0, param)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        mapped(self.0, flag)
    }
}

fn mapped<P: 'static>(mapper: &mut dyn AnyMapper, param: P) -> P {
    match mapper.map(Box::new(param)).downcast() {
        Ok(param) => *param,
        Err(_) => unreachable!("a mapper gives back the type of parameter that it was given"),
    }
}
