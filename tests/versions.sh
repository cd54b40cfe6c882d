#!/bin/sh
# Run the quick tests on each Python that pyproject.toml names, and once with the lowest versions
# that it declares.  Arguments are pytest's.
#
# Needs uv, which also finds the Pythons; one that is not there is a failure, unless VERSIONS leaves
# it out.
set -eu
cd "$(dirname "$0")/.."
folder=.venv/versions
mkdir -p "$folder"
if command -v pyenv >/dev/null; then # its commands refuse the versions that are not chosen
    PYENV_VERSION=$(pyenv versions --bare | paste -s -d :)
    export PYENV_VERSION
fi

make_venv() { # name, Python
    uv venv --quiet --clear --seed --no-python-downloads --python "$2" "$folder/$1"
    python=$folder/$1/bin/python
}

run() { # what pytest is told
    echo "== $($python --version), $name"
    "$python" -m pytest "$@"
}

for version in ${VERSIONS:-3.11 3.12 3.13}; do
    name=locked
    make_venv "$version" "$version"
    uv pip install --quiet --python "$python" --require-hashes -r requirements-test.txt
    run "$@"
done

# Ours at their lowest, beside tools for testing that are new.
name=lowest
make_venv lowest 3.11
uv pip compile --quiet --resolution lowest-direct --python "$python" pyproject.toml \
    -o "$folder/lowest.txt"
uv pip install --quiet --python "$python" --constraint "$folder/lowest.txt" -r pyproject.toml \
    --extra test
run "$@"
