"""An observation can be withdrawn."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _constrain("(3, 4, 5)")


def downgrade() -> None:
    op.execute("UPDATE observations SET status = 3 WHERE status = 5")
    op.execute("UPDATE superseded_observations SET status = 3 WHERE status = 5")
    _constrain("(3, 4)")


def _constrain(without_value: str) -> None:
    with op.batch_alter_table("observations", table_kwargs={"sqlite_with_rowid": False}) as table:
        table.drop_constraint(op.f("ck_observations_value_or_reason"), type_="check")
        table.create_check_constraint(
            op.f("ck_observations_value_or_reason"), f"(value IS NULL) = (status IN {without_value})"
        )
