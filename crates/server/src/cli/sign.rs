//! `headwater sign`.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use headwater_client::{SigningKey, SigningKeyId, sign};
use headwater_types::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf};

use super::{
    connect::DataArgs,
    explain::Explained,
    output::{Out, OutputArgs},
    units::parse_seconds,
};

/// Options of `headwater sign`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  headwater sign url -n live-origin news/main.m3u8 --signing-key signing.json"
)]
pub struct SignOptions {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    connection: DataArgs,
    #[command(subcommand)]
    command: SignCommand,
}

/// With which key, until when, and below which prefix.
#[derive(Debug, Args)]
struct Grant {
    /// JSON document of `headwater key signing create`.
    #[arg(long, value_name = "FILE")]
    signing_key: PathBuf,
    /// How long it is valid, like 6h.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_seconds)]
    expires: u64,
}

#[derive(Debug, Subcommand)]
enum SignCommand {
    /// Make a URL that can be read, by GET and HEAD, without another credential.
    ///
    /// It covers everything below the prefix, so that a playlist's segments can be read with the same parameters.
    #[command(after_help = URL_HELP)]
    Url {
        /// Key of the object.
        object: String,
        /// Prefix that the URL covers, with or without its closing '/'; by default the object's folder, '' for the whole namespace.
        #[arg(long)]
        prefix: Option<String>,
        #[command(flatten)]
        grant: Grant,
    },
    /// Make a viewer token, to be presented as ?token= or as a bearer token.
    #[command(after_help = TOKEN_HELP)]
    Token {
        /// Prefix that the token covers, with or without its closing '/'; '' for the whole namespace.
        #[arg(long)]
        prefix: String,
        /// What it allows; may be repeated.
        #[arg(long = "verb", value_name = "VERB", default_values = ["GET", "HEAD"], value_parser = sign::VERBS)]
        verbs: Vec<String>,
        #[command(flatten)]
        grant: Grant,
    },
}

const URL_HELP: &str = "Examples:
  headwater key signing create live-origin --out signing.json
  headwater sign url -n live-origin news/main.m3u8 --signing-key signing.json --expires 6h";
const TOKEN_HELP: &str = "Examples:
  headwater sign token -n live-origin --prefix news/ --signing-key signing.json --expires 6h
  headwater sign token -n live-origin --prefix '' --verb GET --verb LIST --signing-key signing.json";

#[derive(Deserialize)]
struct SigningFile {
    id: String,
    secret: String,
    namespace: String,
}

#[derive(Serialize)]
struct Signed {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    namespace: String,
    prefix: String,
    /// Seconds since 1970.
    expires_at_s: u64,
    signing_key: String,
}

/// Runs it.
pub fn run(options: SignOptions) -> Result<()> {
    let out = Out::new(&options.output);
    let SignOptions { connection, command, .. } = options;
    let grant = match &command {
        SignCommand::Url { grant, .. } | SignCommand::Token { grant, .. } => grant,
    };
    let (key, namespace) = read_key(grant, connection.namespace.as_deref())?;
    let until_s = (SystemClock::new().unix_millis().0 / 1000).saturating_add(grant.expires);
    let mut signed = Signed {
        url: None,
        token: None,
        namespace,
        prefix: String::new(),
        expires_at_s: until_s,
        signing_key: key.id.to_string(),
    };
    match command {
        SignCommand::Url { object, prefix, .. } => {
            signed.prefix = sign::canonical_prefix(&prefix.map_or_else(|| folder(&object), Ok)?)?;
            let origin = connection.data_url()?;
            let (namespace, prefix) = (&signed.namespace, &signed.prefix);
            signed.url = Some(sign::signed_url(&origin, namespace, &object, prefix, until_s, &key)?.into());
        }
        SignCommand::Token { prefix, verbs, .. } => {
            let verbs: Vec<&str> = verbs.iter().map(String::as_str).collect();
            signed.prefix = sign::canonical_prefix(&prefix)?;
            let token = sign::viewer_token(&signed.namespace, &signed.prefix, until_s, &verbs, &key)?;
            signed.token = Some(token);
        }
    }
    out.show(&signed, |_, signed| signed.url.iter().chain(&signed.token).cloned().collect())
}

/// The folder of an object. The namespace as a whole is nothing to be signed by accident.
fn folder(object: &str) -> Result<String> {
    match object.rfind('/') {
        Some(end) => Ok(object[..=end].to_owned()),
        None => {
            let hint = "--prefix '' signs for the whole namespace; objects in folders need no more than their folder.";
            Err(Explained::new(format!("{object:?} lies in no folder"), hint).into())
        }
    }
}

fn read_key(grant: &Grant, namespace: Option<&str>) -> Result<(SigningKey, String)> {
    let path = &grant.signing_key;
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let hint = "`headwater key signing create NAMESPACE --out FILE` writes such a document.";
    let wrong = || Explained::new(format!("{} is no signing key", path.display()), hint);
    let file: SigningFile = serde_json::from_str(&text).map_err(|_| wrong())?;
    if let Some(given) = namespace.filter(|given| *given != file.namespace) {
        let what = format!("the signing key is for the namespace {}, not for {given}", file.namespace);
        return Err(Explained::new(what, hint).into());
    }
    let key = SigningKey::from_secret(SigningKeyId(file.id.into()), &file.secret).ok_or_else(wrong)?;
    Ok((key, file.namespace))
}
