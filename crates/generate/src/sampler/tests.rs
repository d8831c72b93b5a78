//! Names, defaults and refusals of the samplers.

use engraft_component::{decode, read_yaml};

use super::*;

fn read(yaml: &str) -> Result<Sampler, String> {
    let node = read_yaml(yaml.as_bytes(), "f.yaml").unwrap();
    decode::<Sampler>(&node)
        .map(|(sampler, _)| sampler)
        .map_err(|error| error.to_string())
}

#[test]
fn samplers_are_read_by_their_names_and_by_those_of_keras_hub() {
    assert_eq!(read("greedy").unwrap(), Greedy::default().into());
    assert_eq!(read("top_k").unwrap(), Sampler::default());
    for name in [
        "TopPSampler",
        "keras_hub>TopPSampler",
        "keras_hub.samplers.TopPSampler",
    ] {
        let sampler = read(&format!(
            "{{class_path: '{name}', init_args: {{p: 0.9, k: 3}}}}"
        ));
        let expected = TopP {
            p: 0.9,
            k: Some(3),
            ..TopP::default()
        };
        assert_eq!(sampler.unwrap(), expected.into(), "{name}");
    }
    assert_eq!(read("random").unwrap(), Random::default().into());
    assert_eq!(read("min_p").unwrap(), MinP::default().into());
    assert_eq!(read("chain").unwrap(), Chain::default().into());
    assert_eq!(read("beam").unwrap(), Beam::default().into());
    for name in ["beam_keras", "BeamSampler", "keras_hub>BeamSampler"] {
        assert_eq!(read(name).unwrap(), BeamKeras::default().into(), "{name}");
    }
    for name in ["contrastive", "keras_hub.samplers.ContrastiveSampler"] {
        assert_eq!(read(name).unwrap(), Contrastive::default().into(), "{name}");
    }
    let drafted = read(
        "{class_path: SpeculativeSampler, init_args: {draft: ./small, base_sampler: {class_path: top_k, init_args: {k: 3}}}}",
    );
    let expected = Speculative {
        draft: Some("./small".to_owned()),
        base_sampler: Some(
            TopK {
                k: 3,
                ..TopK::default()
            }
            .into(),
        ),
        ..Speculative::default()
    };
    assert_eq!(drafted.unwrap(), expected.into());
    assert!(
        read("topk")
            .unwrap_err()
            .contains("Did you mean \"top_k\"?")
    );
    assert!(
        read("{class_path: top_k, init_args: {p: 0.5}}")
            .unwrap_err()
            .contains("unknown key")
    );
}

#[test]
fn defaults_are_those_of_keras_hub() {
    let (top_k, top_p) = (TopK::default(), TopP::default());
    let (beams, contrastive) = (BeamKeras::default(), Contrastive::default());
    assert_eq!((beams.num_beams, beams.temperature), (5, 1.0));
    assert_eq!((contrastive.k, contrastive.alpha), (5, 0.6));
    assert_eq!(Speculative::default().num_speculative_tokens, 5);
    let own = Beam::default();
    assert_eq!(
        (own.length_penalty, own.early_stopping),
        (1.0, EarlyStopping::False)
    );
    assert_eq!((top_k.k, top_k.seed, top_k.temperature), (5, None, 1.0));
    assert_eq!(
        (top_p.p, top_p.k, top_p.seed, top_p.temperature),
        (0.1, None, None, 1.0)
    );
}

#[test]
fn impossible_arguments_are_refused_by_sampler_and_key() {
    let refusal = |name: &str, arguments: &str| {
        let sampler = read(&format!(
            "{{class_path: {name}, init_args: {{{arguments}}}}}"
        ));
        sampler.unwrap().check().unwrap_err().to_string()
    };
    assert_eq!(
        refusal("top_k", "temperature: 0"),
        "sampler top_k: temperature: expected a number above 0, found 0; the sampler greedy always takes the most probable token"
    );
    for wrong in ["-1", ".nan", ".inf", "1e-60", "1e60"] {
        let message = refusal("top_k", &format!("temperature: {wrong}"));
        assert!(
            message.starts_with("sampler top_k: temperature: expected"),
            "{message}"
        );
    }
    assert!(refusal("greedy", "temperature: -0.5").contains("sampler greedy"));
    assert_eq!(
        refusal("top_k", "k: 0"),
        "sampler top_k: k: expected a whole number from 1, found 0"
    );
    for wrong in [0.0, -0.1, 1.5] {
        assert_eq!(
            refusal("top_p", &format!("p: {wrong}")),
            format!("sampler top_p: p: expected a number above 0 and at most 1, found {wrong}")
        );
    }
    for (name, arguments, key) in [
        ("top_p", "p: .nan", "p: "),
        ("top_p", "k: 0", "k: expected"),
        ("min_p", "min_p: -0.1", "min_p: "),
        ("min_p", "min_p: 1.5", "min_p: "),
        ("min_p", "min_p: .nan", "min_p: "),
        ("chain", "top_k: 0", "top_k: "),
        ("chain", "top_p: 1.5", "top_p: "),
        ("chain", "top_h: 0", "top_h: "),
        ("chain", "typical_p: 1.1", "typical_p: "),
        ("chain", "epsilon_cutoff: -0.1", "epsilon_cutoff: "),
        ("chain", "eta_cutoff: .nan", "eta_cutoff: "),
        ("beam", "num_beams: 0", "num_beams: expected"),
        ("beam", "length_penalty: .inf", "length_penalty: "),
        ("beam_keras", "num_beams: 0", "num_beams: expected"),
        ("beam_keras", "return_all_beams: true", "return_all_beams: "),
        ("beam_keras", "temperature: 0", "temperature: "),
        ("contrastive", "k: 0", "k: expected"),
        ("contrastive", "alpha: 1.5", "alpha: "),
        ("speculative", "num_speculative_tokens: 3", "draft: "),
        (
            "speculative",
            "draft: x, num_speculative_tokens: 0",
            "num_speculative_tokens: ",
        ),
    ] {
        let message = refusal(name, arguments);
        let start = format!("sampler {name}: {key}");
        assert!(message.starts_with(&start), "{message}");
    }
    assert!(Sampler::default().check().is_ok());
}

#[test]
fn a_sampler_is_told_in_one_line() {
    assert_eq!(Sampler::default().to_string(), "top_k k=5");
    let chain = Chain {
        top_k: Some(50),
        top_p: Some(0.9),
        seed: Some(1),
        temperature: 0.6,
        ..Chain::default()
    };
    assert_eq!(
        Sampler::from(chain).to_string(),
        "chain top_k=50 top_p=0.9 temperature=0.6 seed=1"
    );
    assert_eq!(Sampler::from(Greedy::default()).to_string(), "greedy");
    let drafted = Speculative {
        draft: Some("small".to_owned()),
        base_sampler: Some(TopK::default().into()),
        seed: Some(3),
        ..Speculative::default()
    };
    assert_eq!(
        Sampler::from(drafted).to_string(),
        "speculative draft=small num_speculative_tokens=5 of top_k k=5 seed=3"
    );
    let beam = Beam {
        early_stopping: EarlyStopping::Never,
        ..Beam::new(3)
    };
    assert_eq!(
        Sampler::from(beam).to_string(),
        "beam num_beams=3 length_penalty=1 early_stopping=never"
    );
}
