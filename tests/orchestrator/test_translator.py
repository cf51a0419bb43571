"""How nodes and datasets look in Dagster."""

import dagster as dg
import pytest
from dagster_kedro import DagsterKedroTranslator, build_kedro_asset_specs
from kedro_manifest.errors import DuplicateNameError, OrchestrationError
from kedro_manifest.model import Dataset, Parameter, SourceLocation


@pytest.fixture
def specs(project):
    """Return the specs of some nodes by the keys that a user sees."""

    def specs_of(*nodes, translator=None, **fields):
        specs = build_kedro_asset_specs(project(*nodes, **fields), translator=translator)
        return {spec.key.to_user_string(): spec for spec in specs}

    return specs_of


def deps(spec):
    return {dep.asset_key.to_user_string() for dep in spec.deps}


def test_outputs_and_inputs(specs, node):
    """What a node writes is an asset that depends on what it reads."""
    found = specs(
        node("join", ["left", "right"], ["joined"]), node("split", ["joined"], ["one", "two"])
    )

    assert set(found) == {"joined", "one", "two", "left", "right"}
    assert deps(found["joined"]) == {"left", "right"}
    assert deps(found["one"]) == deps(found["two"]) == {"joined"}


def test_transcoding(specs, node):
    """A transcoded dataset is one asset, whatever reads it."""
    found = specs(
        node("write", [], ["table@pandas"]),
        node("read", ["table@spark", "table@text"], ["count"]),
    )

    assert set(found) == {"table", "count"}
    assert deps(found["count"]) == {"table"}
    assert found["table"].metadata["kedro/type"] == "pandas.CSVDataset"


def test_namespaces(specs, node):
    """A namespaced dataset has a key path, and its group is the namespace."""
    found = specs(
        node("europe.sales.fit", ["table"], ["europe.sales.model"], namespace="europe.sales")
    )

    spec = found["europe/sales/model"]
    assert spec.group_name == "europe/sales"
    assert spec.metadata["kedro/namespace"] == "europe.sales"


def test_groups(specs, node):
    """Without a namespace the group is the first named pipeline, not the default one."""
    found = specs(
        node("clean", ["raw"], ["clean"]),
        node("alone", [], ["lonely"]),
        pipelines={"__default__": ["clean", "alone"], "preparing-data": ["clean"]},
    )

    groups = {key: spec.group_name for key, spec in found.items()}
    assert groups == {"clean": "preparingU_2d_Udata", "lonely": "default", "raw": "inputs"}
    assert found["clean"].metadata["kedro/pipelines"] == ["preparing-data", "__default__"]


def test_free_inputs(specs, node):
    """What no node writes is external: Dagster does not offer to materialize it."""
    spec = specs(node("clean", ["raw"], ["clean"]))["raw"]

    assert dg.Definitions(assets=[spec]).resolve_asset_graph().get(spec.key).is_external
    assert spec.description == "Input that no node of this project writes."


def test_node_without_outputs(specs, node):
    """A node that writes nothing is an asset named after it."""
    spec = specs(node("announce", ["table"], []))["announce"]

    assert deps(spec) == {"table"}
    assert spec.kinds == {"kedro", "node"}
    assert "kedro/dataset" not in spec.metadata


def test_memory(specs, node):
    """Data that lives in memory says so."""
    spec = specs(node("clean", ["raw"], ["rows"]), memory=["rows"])["rows"]

    assert spec.kinds == {"kedro", "memory"}
    assert spec.metadata["kedro/in_memory"] is True
    assert "Lives in memory" in spec.description


@pytest.mark.parametrize(
    ("dataset_type", "kinds"),
    [
        ("pandas.CSVDataset", {"kedro", "pandas", "csv"}),
        ("partitions.PartitionedDataset", {"kedro", "partitioned"}),
        ("kedro_datasets.polars.EagerPolarsDataset", {"kedro", "polars", "eagerpolars"}),
        ("json.JSONDataset", {"kedro", "json"}),
    ],
)
def test_kinds(specs, node, dataset_type, kinds):
    """Kinds are the library and the format."""
    dataset = Dataset(name="table", type=dataset_type, kind="file")

    assert specs(node("make", [], ["table"]), datasets=[dataset])["table"].kinds == kinds


def test_tags(specs, node):
    """Tags that Dagster takes are tags; all of them are in the metadata."""
    tags = ["daily", "layer:raw", "v1.2", "x" * 64]
    spec = specs(node("make", [], ["table"], tags=tags))["table"]

    shown = {tag for tag in spec.tags if not tag.startswith("dagster/kind/")}
    assert shown == {"daily", "v1.2"}
    assert spec.metadata["kedro/tags"] == tags


def test_description(specs, node):
    """The dataset's own description comes first, then the function's, then the node's name."""
    dataset = Dataset(
        name="table", type="pandas.CSVDataset", kind="file", metadata={"description": "Clean rows."}
    )
    spec = specs(node("make", [], ["table"], doc="Drop the bad."), datasets=[dataset])["table"]

    assert spec.description == (
        "Clean rows.\n\nDrop the bad.\n\nMade by node `make` (`shop.nodes:make`)."
    )


def test_metadata_of_the_dataset(specs, node):
    """Type, location, layer, version and pattern of a dataset are shown."""
    dataset = Dataset(
        name="model", type="pickle.PickleDataset", kind="file", uri="s3://shop/model.pkl",
        versioned=True, layer="models", pattern="{name}",
    )  # fmt: skip
    metadata = specs(node("fit", [], ["model"]), datasets=[dataset])["model"].metadata

    assert metadata["kedro/type"] == "pickle.PickleDataset"
    assert metadata["dagster/uri"] == "s3://shop/model.pkl"
    assert metadata["kedro/layer"] == "models"
    assert metadata["kedro/versioned"] is True
    assert metadata["kedro/pattern"] == "{name}"


def test_metadata_says_only_what_is_special(specs, node):
    """Every entry costs memory for each asset and job, so plain data on disk says no more."""
    dataset = Dataset(name="table", type="json.JSONDataset", kind="file", uri="data/table.json")
    metadata = specs(node("make", [], ["table"]), datasets=[dataset])["table"].metadata

    assert metadata == {
        "kedro/node": "make",
        "kedro/pipelines": ["__default__"],
        "kedro/dataset": "table",
        "kedro/type": "json.JSONDataset",
        "dagster/uri": "data/table.json",
    }


def test_code_references(specs, node, tmp_path):
    """Dagster links to the node's function."""
    source = SourceLocation(path="src/shop/nodes.py", line=12)
    spec = specs(node("make", [], ["table"], source=source))["table"]

    (reference,) = spec.metadata["dagster/code_references"].code_references
    assert reference.file_path == str(tmp_path / "src/shop/nodes.py")
    assert reference.line_number == 12


IN_GITHUB = {"url": "https://github.com/acme/shop/blob/main/{path}#L{line}"}


@pytest.mark.parametrize(("under_dev", "others"), [("", 0), ("1", 1)])
def test_code_in_a_repository(project, node, monkeypatch, under_dev, others):
    """Dagster links to it there; to files as well where somebody runs `dagster dev`."""
    source = SourceLocation(path="src/shop/new nodes.py", line=12)
    made = project(
        node("make", [], ["table"], source=source),
        orchestration={"code_references": IN_GITHUB},
    )
    assert made.manifest  # read before, or it would be exported
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", under_dev)
    (spec,) = build_kedro_asset_specs(made)

    first, *rest = spec.metadata["dagster/code_references"].code_references
    assert "https://github.com/acme/shop/blob/main/src/shop/new%20nodes.py#L12" == first.url
    assert "shop.nodes:make" == first.label
    assert others == len(rest)


@pytest.mark.parametrize("url", ["github.com/{path}", "https://github.com", "https://a/{path}{l}"])
def test_a_repository_that_leads_nowhere(specs, node, url):
    """An address without the file, or with other placeholders, is refused."""
    with pytest.raises(OrchestrationError, match=r"code_references\.url: '.*' is no address"):
        specs(node("make", [], ["table"]), orchestration={"code_references": {"url": url}})


def test_what_the_asset_page_tells_of_a_node(specs, node):
    """Its name, tags and docstring, the dataset's layer and what the catalog says of either."""
    described = Dataset(
        name="table",
        type="pandas.CSVDataset",
        kind="file",
        layer="primary",
        metadata={"description": "One row for each order."},
    )
    raw = Dataset(
        name="raw", type="pandas.CSVDataset", kind="file", metadata={"description": "As it came."}
    )
    found = specs(
        node("make", ["raw"], ["table"], tags=["nightly"], doc="Join the orders."),
        datasets=[described, raw],
    )
    table = found["table"]

    assert ("make", "primary") == (table.metadata["kedro/node"], table.metadata["kedro/layer"])
    assert ["nightly"] == table.metadata["kedro/tags"]
    assert "nightly" in table.tags
    assert "One row for each order.\n\nJoin the orders." in table.description
    assert "As it came." in found["raw"].description


def parameter(name, value):
    return Parameter(name=name, type="integer", value=value)


def test_code_version(specs, node):
    """The code version changes with the source and with a parameter in use, and only then."""

    def version(source_hash="a", depth=1, unused=1, neighbour=1):
        table = specs(
            node("make", [], ["table"], source_hash=source_hash, parameters=["params:model"]),
            parameters=[
                parameter("model.depth", depth),
                parameter("unused", unused),
                parameter("modelling.depth", neighbour),
            ],
        )["table"]
        return table.code_version

    assert version() == version(unused=2) == version(neighbour=2)
    assert len({version(), version(source_hash="b"), version(depth=2)}) == 3


def test_code_version_of_all_parameters(specs, node):
    """A node that reads `parameters` depends on every one."""

    def version(value):
        reader = node("make", [], ["table"], source_hash="a", parameters=["parameters"])
        return specs(reader, parameters=[parameter("any.thing", value)])["table"].code_version

    assert version(1) != version(2)


class Prefixed(DagsterKedroTranslator):
    """Puts all keys under a prefix, and adds a dependency of its own."""

    def get_asset_spec(self, asset):
        """Return the spec under another key."""
        spec = super().get_asset_spec(asset)
        changed = spec.replace_attributes(key=spec.key.with_prefix("shop"))
        return changed.replace_attributes(deps=["calendar"]) if asset.name == "clean" else changed


def test_own_keys(specs, node):
    """A translator's keys are used everywhere: specs, dependencies, external assets."""
    found = specs(
        node("clean", ["raw"], ["clean"]), node("count", ["clean"], []), translator=Prefixed()
    )

    assert set(found) == {"shop/clean", "shop/count", "shop/raw"}
    assert deps(found["shop/count"]) == {"shop/clean"}
    assert deps(found["shop/clean"]) == {"shop/raw", "calendar"}


class Flat(DagsterKedroTranslator):
    """Forgets namespaces."""

    def get_asset_spec(self, asset):
        """Return the spec under the last part of its key."""
        spec = super().get_asset_spec(asset)
        return spec.replace_attributes(key=dg.AssetKey(spec.key.path[-1]))


def test_one_key_twice(specs, node):
    """Two assets under one key are refused, both named."""
    with pytest.raises(DuplicateNameError, match=r"'model': dataset 'a.model' and dataset 'b.mod"):
        specs(node("a", [], ["a.model"]), node("b", [], ["b.model"]), translator=Flat())


def test_bare_node_named_like_a_dataset(project, node, assets_of):
    """Kedro lets a node and a dataset share a name; the node's asset gets a part of its own."""
    assets = assets_of(project(node("make", [], ["final"]), node("final", ["final"], [])))

    assert {dg.AssetKey("final"), dg.AssetKey(["final", "node"])} == set(assets.keys)
