//! Checkpoints made to harm whoever opens them are refused with the reason.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use engraft_hub::Weights;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/pickles/attacks")
}

/// What is to be refused, and what the message has to say.
const ATTACKS: &[(&str, &str)] = &[
    // Names of functions.
    ("saved_command", "it names posix.system"),
    ("saved_command_in_list", "it names posix.system"),
    ("saved_command_protocol_4", "it names posix.system"),
    ("saved_command_plain", "it names posix.system"),
    ("saved_eval", "it names __builtin__.eval"),
    ("saved_module", "it names torch.nn.modules.linear.Linear"),
    ("pickled_command", "it names posix.system"),
    ("pickled_numbers", "torch.save did not write it"),
    (
        "reduce",
        "it names os.system (before byte 21 of its pickle), but a checkpoint may hold only tensors",
    ),
    ("stack_global", "it names os.system"),
    ("stack_global_short", "it names builtins.eval"),
    (
        "stack_global_not_text",
        "names a class by something other than text",
    ),
    ("inst", "it names os.system"),
    ("obj", "it names os.system"),
    (
        "obj_of_allowed",
        "makes an object of a class of its own (operation 0x6f",
    ),
    (
        "newobj",
        "makes an object of a class of its own (operation 0x81",
    ),
    (
        "newobj_ex",
        "makes an object of a class of its own (operation 0x92",
    ),
    ("getattr", "it names builtins.getattr"),
    ("dotted", "it names collections.OrderedDict.fromkeys"),
    ("load_from_bytes", "it names torch.storage._load_from_bytes"),
    ("torch_load", "it names torch.load"),
    ("untyped_storage", "it names torch.storage.UntypedStorage"),
    (
        "rebuild_from_type",
        "it names torch._tensor._rebuild_from_type_v2",
    ),
    ("ext1", "it names copyreg extension.7"),
    ("ext2", "it names copyreg extension.263"),
    ("ext4", "it names copyreg extension.263"),
    ("name_with_escapes", "it names os\\u{1b}[2J.sys\\rtemmm"),
    ("in_facts", "it names os.system"),
    ("in_magic", "it names os.system"),
    ("in_list_of_storages", "it names os.system"),
    // Calls.
    ("call_of_tensor", "calls a tensor with a tuple"),
    ("call_of_text", "calls text with a tuple"),
    ("call_without_tuple", "calls a class with text"),
    ("storage_called", "calls Storage(F32) with (a number)"),
    ("tensor_of_text", "calls RebuildTensorV2 with (text, "),
    ("negated", "conjugated or negated as it is read"),
    ("build_of_tensor", "it names os.system"),
    ("build_of_tensor_plain_state", "sets attributes of a tensor"),
    ("build_of_list", "sets attributes of a list"),
    ("build_of_class", "sets attributes of a class"),
    // References.
    (
        "persistent_number",
        "something outside its pickle that is not a storage, by a number",
    ),
    (
        "persistent_text",
        "something outside its pickle that is not a storage, by text",
    ),
    (
        "persistent_module",
        "something outside its pickle that is not a storage, by a tuple of text, ",
    ),
    (
        "persistent_short",
        "something outside its pickle that is not a storage, by a tuple of text, ",
    ),
    ("persistent_line", "uses the operation 0x50 ('P')"),
    ("persistent_view", "storages that are parts of others"),
    (
        "storage_without_type",
        "describes a storage by text, text and a number",
    ),
    (
        "key_leads_out",
        "names a storage \"../../../etc/passwd\", which is not a plain name",
    ),
    (
        "key_absolute",
        "names a storage \"/etc/passwd\", which is not a plain name",
    ),
    (
        "key_is_the_pickle",
        "names a storage \"../data.pkl\", which is not a plain name",
    ),
    (
        "key_empty",
        "names a storage \"\", which is not a plain name",
    ),
    ("key_absent", "no entry x/data/1 for tensor \"w\""),
    // Tensors.
    (
        "count_too_large",
        "tensor \"w\" lies in a storage of 5 numbers of type F32, but the file holds only 16 bytes",
    ),
    ("count_huge", "a storage of 4611686018427387904 numbers"),
    ("count_negative", "describes a storage by"),
    (
        "shape_too_large",
        "tensor \"w\" begins at number 0 and has the shape [5] and the strides [1], which leads out",
    ),
    ("shape_huge", "more than the whole file holds"),
    ("shape_negative", "not whole numbers from 0"),
    ("shape_past_64_bits", "not whole numbers from 0"),
    ("empty_of_huge_shape", "more than the whole file holds"),
    (
        "expanded_beyond_the_file",
        "shape [1000000, 1000000], which is more than the whole file holds",
    ),
    ("stride_negative", "not whole numbers from 0"),
    ("stride_huge", "leads out of its storage of 4 numbers"),
    ("stride_too_large", "leads out of its storage of 4 numbers"),
    ("strides_too_few", "as many of one as of the other"),
    ("offset_negative", "not whole numbers from 0"),
    ("offset_huge", "leads out of its storage"),
    ("offset_too_large", "begins at number 1"),
    (
        "dimensions_too_many",
        "describes a tensor whose offset, size and stride",
    ),
    // Bombs.
    ("laughs", "it holds a tuple, not a dictionary"),
    ("deep", "it holds a list, not a dictionary"),
    ("marks", "takes a value where none is left"),
    (
        "repeated_call",
        "repeats itself more than any checkpoint does",
    ),
    // Lengths.
    ("frame_huge", "claims a frame of 18446744073709551615 bytes"),
    (
        "text_huge",
        "asks for 9223372036854775808 bytes where 3 are left",
    ),
    ("text_large", "asks for 4294967295 bytes where 3 are left"),
    ("bytes_huge", "asks for 18446744073709551615 bytes"),
    ("long_negative_length", "asks for 4294967295 bytes"),
    ("text_not_utf8", "text that is not UTF-8"),
    (
        "memo_sparse_and_absent",
        "refers to a value that it has not kept",
    ),
    // Stacks.
    ("pop_of_nothing", "takes a value where none is left"),
    ("stop_of_nothing", "takes a value where none is left"),
    ("pop_under_a_mark", "takes a value where none is left"),
    ("close_without_mark", "closes what it has not opened"),
    ("key_without_value", "sets a key without a value"),
    ("append_to_text", "appends to text"),
    ("set_of_list", "sets a key of a list"),
    ("operation_of_protocol_0", "uses the operation 0x49 ('I')"),
    ("operation_unknown", "uses the operation 0xf0"),
    ("protocol_unknown", "is of protocol 9"),
    ("without_end", "asks for 1 bytes where 0 are left"),
    // Roots.
    ("root_is_a_tensor", "it holds a tensor, not a dictionary"),
    (
        "root_without_tensors",
        "no tensors by name, but \"weights\" (a dictionary), \"epoch\" (a number)",
    ),
    // Zip archives.
    (
        "zip_entry_outside",
        "entry x/data/0 does not lie where the directory says",
    ),
    (
        "zip_entry_too_long",
        "entry x/data/0 does not lie where the directory says",
    ),
    (
        "zip_entry_in_the_directory",
        "entry x/data/0 does not lie where the directory says",
    ),
    (
        "zip_entry_wide_outside",
        "entry x/data/0 does not lie where the directory says",
    ),
    (
        "zip_entry_wide_without_field",
        "entry x/data/0 does not lie where the directory says",
    ),
    ("zip_entry_of_two_lengths", "entry x/data/0 has two lengths"),
    (
        "zip_entry_of_two_names",
        "entry x/data/0 does not lie where the directory says",
    ),
    ("zip_encrypted", "entry x/data/0 is encrypted"),
    (
        "zip_compressed",
        "entry x/data.pkl is compressed, which PyTorch never does; save it anew",
    ),
    ("zip_compressed_entry", "entry x/data/0 is compressed"),
    ("zip_duplicate", "two entries named x/data/0"),
    ("zip_duplicate_pickle", "two entries named x/data.pkl"),
    ("zip_two_roots", "holds x/data.pkl and y/data.pkl"),
    (
        "zip_without_pickle",
        "a zip archive without <name>/data.pkl",
    ),
    ("zip_big_endian", "in \"big\" byte order"),
    ("zip_directory_outside", "should lie at byte 1000000"),
    (
        "zip_directory_huge",
        "should lie at byte 9223372036854775808",
    ),
    ("zip_count_huge", "its directory is shorter than it says"),
    ("zip_locator_outside", "does not lie where its locator says"),
    ("zip_cut", "no directory at its end; it was cut short"),
    // The older container.
    (
        "plain_count_huge",
        "storage 0 should have 4611686018427387904 numbers of type F32, but only 16 bytes follow",
    ),
    (
        "plain_count_negative",
        "storage 0 should have 18446744073709551615 numbers",
    ),
    ("plain_count_other", "describes the storage 0 in two ways"),
    ("plain_cut", "but only 15 bytes follow; it was cut short"),
    ("plain_without_storages", "ends before its storage 0"),
    (
        "plain_not_listed",
        "list of storages lacks 0 for tensor \"w\"",
    ),
    (
        "plain_not_described",
        "a storage \"1\" that it does not describe",
    ),
    ("plain_twice", "holds the storage 0 twice"),
    (
        "plain_key_leads_out",
        "names a storage \"../x\", which is not a plain name",
    ),
    (
        "plain_storage_of_two_types",
        "describes the storage 0 in two ways",
    ),
    ("plain_version", "another version than 1001"),
    ("plain_big_endian", "in big byte order"),
    (
        "plain_keys_not_a_list",
        "a number where the list of its storages should be",
    ),
];

#[test]
fn every_attack_is_refused_by_its_file_and_reason() {
    for (name, part) in ATTACKS {
        let message = match Weights::open_file(&folder().join(name).with_extension("bin")) {
            Err(error) => error.to_string(),
            Ok(weights) => panic!("{name} was read: {:?}", weights.names().collect::<Vec<_>>()),
        };
        let file = format!("{name}.bin is not a usable PyTorch file: ");
        assert!(
            message.contains(&file) && message.contains(part),
            "{name}: {message}"
        );
        assert!(
            message.len() < 600 && !message.contains(char::is_control),
            "{name}: {message}"
        );
    }
    let mut listed: Vec<_> = ATTACKS
        .iter()
        .map(|(name, _)| format!("{name}.bin"))
        .collect();
    listed.sort();
    let mut found: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, listed);
}
