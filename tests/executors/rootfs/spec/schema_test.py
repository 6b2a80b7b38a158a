"""docs/spec.schema.json agrees with the parser, as far as a schema can.

Every example and every golden specification that the parser takes has to fit the schema; every golden one that it
refuses must not fit, unless it holds a line "# schema: cannot see".
"""
import json
import os
import pathlib
import unittest

import jsonschema
import yaml

SOURCE = pathlib.Path(os.environ["ROOTWRIGHT_SOURCE"])
GOLDEN = SOURCE / "tests/executors/rootfs/spec/golden"


def load(path):
    """The file as an editor sees it; PyYAML's errors are the editor's, too."""
    return yaml.safe_load(path.read_bytes())


class SchemaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        schema = json.loads((SOURCE / "docs/spec.schema.json").read_text())
        jsonschema.Draft7Validator.check_schema(schema)
        cls.validator = jsonschema.Draft7Validator(schema)

    def mistakes(self, path):
        try:
            return [error.message for error in self.validator.iter_errors(load(path))]
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            return [str(error)]

    def test_examples_fit(self):
        files = [*(SOURCE / "examples/specs").glob("*/configuration.yml"), *(SOURCE / "executors/rootfs/spec").glob("*.yml")]
        self.assertGreaterEqual(len(files), 3)
        for path in files:
            with self.subTest(path=path):
                self.assertEqual(self.mistakes(path), [])

    def test_golden_specifications_fit_where_they_are_good(self):
        files = [*GOLDEN.glob("*.yml"), *GOLDEN.glob("*/configuration.yml")]
        self.assertGreater(len(files), 20)
        for path in files:
            name = path.stem if path.parent == GOLDEN else path.parent.name
            refused = ": error: " in (GOLDEN / f"{name}.txt").read_text()
            unseen = b"# schema: cannot see" in path.read_bytes()
            with self.subTest(golden=name):
                self.assertEqual(bool(self.mistakes(path)), refused and not unseen, self.mistakes(path))


if __name__ == "__main__":
    unittest.main()
