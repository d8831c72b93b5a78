//! What an entry of the table of operations becomes.
//!
//! The table in `ops` names each method once, with its inputs and results, and under it what computes it:
//!
//! * `plain`: with Burn's own operations, for every backend;
//! * `flex`, if there is a kernel for the CPU: run if all float inputs are of single precision, otherwise the plain body is;
//! * `autodiff`, if it is to be one node of the graph: `B` is the backend that computes and `C` its checkpointing; [`crate::autodiff`] has
//!   what such bodies are made of. Without it the graph records what the plain body does.
//!
//! Inputs are in scope in each of the three by their names. Results stand in parentheses, one as well as several.
//!
//! An entry begins with `operation` if it is also a function on Burn's `Tensor`, which takes the rank of a tensor from `Float<Self, RANK>`,
//! an `f32` as `f64` and an `Arc<T>` as `T`. It begins with `fn` if there is none, or if it is written by hand in `tensor`.
//!
//! So an operation is added by its plain body and that of its gradient, in `plain`; its kernels, in `flex`; an entry for each of the two;
//! its name in `lib`; and a test in `twins` that they agree.
//!
//! As an example, this entry:
//!
//! ```text
//! /// The Gaussian error linear unit, element by element.
//! operation gelu(input: Float<Self, 2>, kind: Gelu) -> (Float<Self, 2>) {
//!     plain: plain::activation::gelu::<Self>(input, kind),
//!     flex: flex::activation::gelu(input, kind),
//!     autodiff: { ... },
//! }
//! ```
//!
//! becomes
//!
//! ```text
//! pub trait Kernels: Backend {
//!     /// The Gaussian error linear unit, element by element.
//!     fn gelu(input: Float<Self, 2>, kind: Gelu) -> (Float<Self, 2>) {
//!         plain::activation::gelu::<Self>(input, kind)
//!     }
//! }
//!
//! impl Kernels for Flex {
//!     fn gelu(input: Float<Self, 2>, kind: Gelu) -> (Float<Self, 2>) {
//!         if is_f32(&input) {
//!             flex::activation::gelu(input, kind)
//!         } else {
//!             plain::activation::gelu::<Self>(input, kind)
//!         }
//!     }
//! }
//!
//! impl<B: Kernels, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
//!     fn gelu(input: Float<Self, 2>, kind: Gelu) -> (Float<Self, 2>) { ... }
//! }
//!
//! /// The Gaussian error linear unit, element by element.
//! pub fn gelu(input: Tensor<2>, kind: Gelu) -> Tensor<2> {
//!     Tensor::from_dispatch(<Dispatch as Kernels>::gelu(input.into_dispatch(), kind))
//! }
//! ```
//!
//! A further backend is named in the table's `backend_extension`, and has an `impl Kernels` of its own with the methods that it has kernels
//! for: the plain bodies are the trait's defaults.

use burn::backend::tensor::{FloatTensor, IntTensor};

/// A float tensor of a backend. The rank is not checked here; functions on `Tensor` take theirs from it. Without it, any will do.
pub(crate) type Float<B, const RANK: usize = 0> = FloatTensor<B>;

/// An integer tensor of a backend, like [`Float`].
pub(crate) type Int<B, const RANK: usize = 0> = IntTensor<B>;

/// The trait `Kernels`, what implements it and the functions on `Tensor`, from the table of operations.
///
/// Burn's attribute finds tensors by the names of their types, so the trait's methods are made here, and not by a macro within the trait.
macro_rules! operations {
    (
        $(#[$of_trait:meta])*
        pub trait Kernels: Backend {
            $(
                $(#[$attribute:meta])*
                $kind:ident $name:ident $inputs:tt -> $results:tt {
                    plain: $plain:expr,
                    $(flex: $flex:expr,)?
                    $(autodiff: $autodiff:expr,)?
                }
            )*
        }
    ) => {
        $(#[$of_trait])*
        pub trait Kernels: burn::backend::Backend {
            $(
                $(#[$attribute])*
                fn $name $inputs -> $results {
                    $plain
                }
            )*
        }

        impl Kernels for burn::backend::Flex {
            $($(
                fn $name $inputs -> $results {
                    if $crate::wiring::single_precision!($inputs) { $flex } else { $plain }
                }
            )?)*
        }

        impl<B, C> Kernels for burn::backend::Autodiff<B, C>
        where
            B: Kernels,
            C: burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy,
        {
            $($(
                fn $name $inputs -> $results {
                    $autodiff
                }
            )?)*
        }

        $(
            $crate::wiring::tensor_function! { $kind [$(#[$attribute])*] $name $inputs $results }
        )*
    };
}

/// Whether all float tensors among a method's inputs are of single precision.
macro_rules! single_precision {
    (($($input:ident: $type:tt $(<$($of:tt),*>)?),*)) => { $($crate::wiring::single_precision!($input $type))&&* };
    ($input:ident Float) => { $crate::flex::is_f32(&$input) };
    ($input:ident $other:tt) => { true };
}

/// The function on Burn's `Tensor` of an entry that begins with `operation`.
///
/// Ranks are taken as literals, not as tokens, of which the documentation would show the names that macros call them by.
macro_rules! tensor_function {
    (fn $($method:tt)*) => {};
    (
        operation [$($attribute:tt)*]
        $name:ident ($($input:ident: $type:tt $(<$($of:tt),*>)?),*) (Float<Self, $rank:literal>)
    ) => {
        $($attribute)*
        pub fn $name($($input: $crate::wiring::given!($type $(<$($of),*>)?)),*) -> burn::tensor::Tensor<$rank> {
            burn::tensor::Tensor::from_dispatch(<burn::backend::Dispatch as Kernels>::$name(
                $($crate::wiring::passed!($input: $type $(<$($of),*>)?)),*
            ))
        }
    };
}

/// The type in which a function on `Tensor` is given what the method takes as the type in parentheses.
macro_rules! given {
    (Float<Self, $rank:literal>) => { burn::tensor::Tensor<$rank> };
    (Int<Self, $rank:literal>) => { burn::tensor::Tensor<$rank, burn::tensor::Int> };
    (Arc<$shared:ty>) => { $shared };
    (f32) => { f64 };
    ($other:ty) => { $other };
}

/// What a function on `Tensor` passes on of an input, by the type that the method takes.
macro_rules! passed {
    ($input:ident: Float<Self, $rank:literal>) => {
        $input.into_dispatch()
    };
    ($input:ident: Int<Self, $rank:literal>) => {
        $input.into_dispatch()
    };
    ($input:ident: Arc<$shared:ty>) => {
        std::sync::Arc::new($input)
    };
    ($input:ident: f32) => {
        $input as f32
    };
    ($input:ident: $other:ty) => {
        $input
    };
}

pub(crate) use {given, operations, passed, single_precision, tensor_function};
