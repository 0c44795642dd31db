"""The Task postgres-seed as data, and the shop's seed."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.unit.task_documents import folder, spec, steps

TASK = "postgres-seed"
SEED = Path(__file__).resolve().parents[2] / "examples" / "shop" / "seed"


def test_the_steps_prove_seed_and_give_back_in_this_order() -> None:
    assert [step["name"] for step in steps(TASK)] == ["check", "seed", "release"]


def test_no_result_can_hold_a_secret() -> None:
    assert [result["name"] for result in spec(TASK)["results"]] == ["changed", "rows"]


def test_the_script_carries_what_it_asks_the_server() -> None:
    (step,) = [step for step in steps(TASK) if step["name"] == "seed"]
    asked = (folder(TASK) / "steps" / "csv.sql").read_text().split("\n", 1)[1]
    assert asked in step["script"]


def test_the_script_writes_no_file_but_its_results() -> None:
    script = (folder(TASK) / "steps" / "seed.sh").read_text()
    assert [line.rsplit(">", 1)[1].strip() for line in script.splitlines() if line.startswith("printf ")] == [
        '"$changed_file"',
        '"$rows_file"',
    ]


def test_the_shop_seeds_its_products_with_one_row_of_each_key() -> None:
    with (SEED / "20_app.product.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["sku"] for row in rows}) == len(rows) == 300


def test_the_shop_seed_leaves_the_transaction_to_the_task() -> None:
    for path in SEED.glob("*.sql"):
        words = path.read_text().upper().replace(";", " ").split()
        assert not {"BEGIN", "COMMIT", "ROLLBACK"} & set(words)
