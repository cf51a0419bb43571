"""Read and clean the raw tables."""

from kedro.pipeline import node, pipeline


def clean_companies(companies):
    """Turn percentages into numbers.

    Companies without a rating get none.
    """
    rating = companies["rating"].str.rstrip("%").astype(float) / 100
    return companies.assign(rating=rating)


def clean_shuttles(shuttles, minimum_seats):
    """Keep the shuttles that take passengers."""
    return shuttles[shuttles["seats"] >= minimum_seats].reset_index(drop=True)


def join(shuttles, companies):
    """Give each shuttle its company's rating."""
    return shuttles.merge(companies, left_on="company_id", right_on="id", suffixes=("", "_company"))


def create_pipeline():
    """Return the ingestion pipeline."""
    return pipeline(
        [
            node(clean_companies, "companies", "clean_companies", name="clean_companies"),
            node(
                clean_shuttles,
                ["shuttles", "params:minimum_seats"],
                "clean_shuttles@pandas",
                name="clean_shuttles",
            ),
            node(
                join,
                {"companies": "clean_companies", "shuttles": "clean_shuttles@pandas"},
                "model_input",
                name="join",
            ),
        ],
        tags="daily",
    )
