//! The functions and classes that a checkpoint may name, and what each of them builds here.
//!
//! This is the whole list: nothing that a file says can add to it, and none of it does more than describe a tensor, make an
//! empty container, or be skipped.

use safetensors::Dtype;

use super::shown;
use super::value::{Heap, Storage, StorageAt, Tensor, Value};

/// The most dimensions of a tensor, as in PyTorch.
const DIMENSIONS: usize = 64;

/// A function or class of Python's that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    OrderedDict,
    /// A storage of numbers of one type.
    Storage(Dtype),
    /// (storage, offset, size, stride)
    RebuildTensor,
    /// (storage, offset, size, stride, requires_grad, backward_hooks, metadata?)
    RebuildTensorV2,
    /// (tensor, requires_grad, backward_hooks)
    RebuildParameter,
    /// (tensor, requires_grad, backward_hooks, state)
    RebuildParameterWithState,
    /// A tensor's shape, which is a tuple.
    Size,
    /// The name of a processor.
    Device,
    /// Bytes, as protocol 2 writes them: text and the name of an encoding.
    Encode,
    /// One that only carries settings of a training program: whatever is made of it is skipped.
    Settings,
}

/// Programs whose classes carry settings in the checkpoints that they write: nothing of theirs is run, made or kept.
const PROGRAMS: [&str; 15] = [
    "argparse",
    "jsonargparse",
    "lightning",
    "lightning_fabric",
    "lightning_utilities",
    "modelgenerator",
    "omegaconf",
    "pathlib",
    "peft",
    "pytorch_lightning",
    "torchmetrics",
    "transformers",
    "torch.nn.modules.activation",
    "torch.nn.modules.loss",
    "torch.optim",
];

/// Single classes of others that carry settings too.
const SETTINGS: [(&str, &str); 12] = [
    ("builtins", "bool"),
    ("builtins", "dict"),
    ("builtins", "float"),
    ("builtins", "frozenset"),
    ("builtins", "int"),
    ("builtins", "list"),
    ("builtins", "set"),
    ("builtins", "slice"),
    ("builtins", "str"),
    ("builtins", "tuple"),
    ("collections", "defaultdict"),
    ("functools", "partial"),
];

/// Whether a class only carries settings.
fn carries_settings(module: &str, name: &str) -> bool {
    let is_of = |program: &str| {
        let rest = module.strip_prefix(program);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    // Names with a dot lead to what a class has, and a type of numbers is a word of torch itself.
    let is_dtype = || {
        let word = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
        module == "torch" && matches!(word, "float" | "bfloat" | "int" | "uint" | "bool")
    };
    !name.contains('.')
        && (PROGRAMS.iter().any(|program| is_of(program))
            || SETTINGS.contains(&(module, name))
            || is_dtype())
}

impl Class {
    /// What a pickle means by this name; the reason when it may not mean it.
    pub(super) fn named(module: &str, name: &str, at: usize) -> Result<Class, String> {
        let class = match (module, name) {
            ("collections", "OrderedDict") => Class::OrderedDict,
            ("torch._utils", "_rebuild_tensor") => Class::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v2") => Class::RebuildTensorV2,
            ("torch._utils", "_rebuild_parameter") => Class::RebuildParameter,
            ("torch._utils", "_rebuild_parameter_with_state") => Class::RebuildParameterWithState,
            ("torch", "Size") => Class::Size,
            ("torch", "device") => Class::Device,
            ("_codecs", "encode") => Class::Encode,
            ("torch", "DoubleStorage") => Class::Storage(Dtype::F64),
            ("torch", "FloatStorage") => Class::Storage(Dtype::F32),
            ("torch", "HalfStorage") => Class::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Class::Storage(Dtype::BF16),
            ("torch", "LongStorage") => Class::Storage(Dtype::I64),
            ("torch", "IntStorage") => Class::Storage(Dtype::I32),
            ("torch", "ShortStorage") => Class::Storage(Dtype::I16),
            ("torch", "CharStorage") => Class::Storage(Dtype::I8),
            ("torch", "ByteStorage") => Class::Storage(Dtype::U8),
            ("torch", "BoolStorage") => Class::Storage(Dtype::BOOL),
            _ if carries_settings(module, name) => Class::Settings,
            _ => return Err(refusal(module, name, at)),
        };
        Ok(class)
    }

    /// What calling it with these arguments gives.
    pub(super) fn call<'p>(
        self,
        arguments: &[Value<'p>],
        heap: &mut Heap<'p>,
    ) -> Result<Value<'p>, String> {
        match (self, arguments) {
            (Class::OrderedDict, []) => Ok(Value::Dict(heap.add_dict(Vec::new()))),
            (Class::OrderedDict, [Value::List(pairs)]) => {
                let pairs = heap.list(*pairs).iter();
                let items = pairs.map(|pair| self.pair(*pair, heap)).collect::<Result<_, _>>()?;
                Ok(Value::Dict(heap.add_dict(items)))
            }
            (Class::RebuildTensor, [Value::Storage(storage), offset, size, stride])
            | (Class::RebuildTensorV2, [Value::Storage(storage), offset, size, stride, _, _])
            | (
                Class::RebuildTensorV2,
                [Value::Storage(storage), offset, size, stride, _, _, Value::Nothing],
            ) => tensor(*storage, *offset, *size, *stride, heap),
            (Class::RebuildTensorV2, [_, _, _, _, _, _, _]) => Err(
                "it holds a tensor that is conjugated or negated as it is read; save it after .resolve_conj().resolve_neg()"
                    .into(),
            ),
            (Class::RebuildParameter, [tensor @ Value::Tensor(_), _, _])
            | (Class::RebuildParameterWithState, [tensor @ Value::Tensor(_), _, _, _])
            | (Class::Size, [tensor @ Value::Tuple(_)]) => Ok(*tensor),
            (Class::Device, [Value::Text(_)] | [Value::Text(_), Value::Int(_)]) => Ok(Value::Nothing),
            (Class::Encode, [Value::Text(_), Value::Text("latin1")]) => Ok(Value::Bytes),
            (Class::Settings, _) => Ok(Value::Opaque),
            _ => Err(self.misuse(arguments)),
        }
    }

    /// One item of an ordered dictionary, which old versions of Python wrote as a list of pairs.
    fn pair<'p>(self, pair: Value<'p>, heap: &Heap<'p>) -> Result<(Value<'p>, Value<'p>), String> {
        if let Value::List(pair) | Value::Tuple(pair) = pair
            && let [key, value] = heap.list(pair)
        {
            return Ok((*key, *value));
        }
        Err(self.misuse(&[pair]))
    }

    fn misuse(self, arguments: &[Value<'_>]) -> String {
        format!(
            "it calls {self:?} with ({}), which PyTorch never does; it is damaged or was made to deceive",
            kinds(arguments)
        )
    }
}

/// What the first few of some values are, for messages.
fn kinds(values: &[Value<'_>]) -> String {
    let kinds: Vec<_> = values.iter().take(8).map(Value::kind).collect();
    kinds.join(", ")
}

/// The reason why a function or class may not be named; `at` is the byte of the pickle after it.
pub(super) fn refusal(module: &str, name: &str, at: usize) -> String {
    format!(
        "it names {}.{} (before byte {at} of its pickle), but a checkpoint may hold only tensors and plain values, and nothing \
         that a file names is ever run; if you trust where it comes from, convert it to safetensors with PyTorch",
        shown(module),
        shown(name)
    )
}

/// The storage that a persistent id describes: ("storage", class, key, location, count), and in the older container a view.
pub(super) fn storage<'p>(id: Value<'p>, heap: &mut Heap<'p>) -> Result<Value<'p>, String> {
    let parts = match id {
        Value::Tuple(parts) => heap.list(parts),
        _ => &[],
    };
    let (class, key, count) = match parts {
        [Value::Text("storage"), class, key, _location, count] => (class, key, count),
        [
            Value::Text("storage"),
            class,
            key,
            _location,
            count,
            Value::Nothing,
        ] => (class, key, count),
        [Value::Text("storage"), _, _, _, _, _] => {
            return Err(
                "it holds storages that are parts of others, as PyTorch wrote them before version 0.4; save it anew".into(),
            );
        }
        _ => {
            return Err(format!(
                "it refers to something outside its pickle that is not a storage, by {}{}; it is damaged or was made to \
                 deceive",
                id.kind(),
                if parts.is_empty() {
                    String::new()
                } else {
                    format!(" of {}", kinds(parts))
                }
            ));
        }
    };
    let (Value::Class(Class::Storage(dtype)), Value::Text(key), Some(count)) =
        (*class, *key, number(*count))
    else {
        return Err(format!(
            "it describes a storage by {}, {} and {}, not by its type, key and length; it is damaged or was made to deceive",
            class.kind(),
            key.kind(),
            count.kind()
        ));
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if key.is_empty() || key.len() > 64 || !key.bytes().all(plain) {
        return Err(format!(
            "it names a storage \"{}\", which is not a plain name of letters and digits; it is damaged or was made to deceive",
            shown(key)
        ));
    }
    let storage = Storage { dtype, key, count };
    Ok(Value::Storage(heap.add_storage(storage)))
}

fn tensor<'p>(
    storage: StorageAt,
    offset: Value<'p>,
    size: Value<'p>,
    stride: Value<'p>,
    heap: &mut Heap<'p>,
) -> Result<Value<'p>, String> {
    let numbers = |value: Value<'p>| match value {
        Value::Tuple(items) | Value::List(items) => {
            heap.list(items).iter().map(|item| number(*item)).collect()
        }
        _ => None,
    };
    let parts: (Option<usize>, Option<Vec<usize>>, Option<Vec<usize>>) =
        (number(offset), numbers(size), numbers(stride));
    match parts {
        (Some(offset), Some(shape), Some(strides)) if shape.len() == strides.len() && shape.len() <= DIMENSIONS => {
            Ok(Value::Tensor(heap.add_tensor(Tensor {
                storage,
                offset,
                shape,
                strides,
            })))
        }
        _ => Err(
            "it describes a tensor whose offset, size and stride are not whole numbers from 0, as many of one as of the other; it \
             is damaged or was made to deceive"
                .into(),
        ),
    }
}

/// A whole number that is not negative.
fn number(value: Value<'_>) -> Option<usize> {
    match value {
        Value::Int(number) => usize::try_from(number).ok(),
        _ => None,
    }
}
