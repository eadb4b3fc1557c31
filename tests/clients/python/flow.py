"""A program with the client that ariadne-codegen generated: create, read, change and delete."""

import asyncio
import os
from datetime import date

from tasks_client import (
    Client,
    CreateProjectInput,
    CreateTaskInput,
    GraphQLClientGraphQLMultiError,
    OrderDirection,
    Priority,
    ProjectColor,
    TaskChangeKind,
    TaskFilter,
    TaskOrder,
    TaskOrderField,
    TaskPatch,
)


async def main() -> None:
    """Exit with a traceback if the API does not match its schema."""
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with Client(os.environ["API"] + "/graphql", headers=headers) as tasks:
        inputs = [
            CreateTaskInput(title="Call the bank", priority=Priority.HIGH, labels=["Home"]),
            CreateTaskInput(title="Pay rent", due_on=date(2026, 12, 1)),
        ]
        made = await tasks.create(inputs)
        assert made.create_tasks
        bank, rent = made.create_tasks.tasks
        assert (bank.priority, bank.labels, rent.due_on) == (
            Priority.HIGH,
            ["home"],
            date(2026, 12, 1),
        )

        page = await tasks.page(
            first=1,
            filter_=TaskFilter(due_from=date(2026, 1, 1)),
            order_by=TaskOrder(field=TaskOrderField.DUE_ON, direction=OrderDirection.ASC),
        )
        assert [task.title for task in page.tasks.nodes] == ["Pay rent"]
        assert page.tasks.total_count == 1

        patch = TaskPatch(completed=True, due_on=None)
        done = await tasks.update(rent.id, patch, expected_version=rent.version)
        assert done.update_task
        assert done.update_task.task.completed
        assert done.update_task.task.due_on is None
        try:
            await tasks.update(rent.id, patch, expected_version=rent.version)
        except GraphQLClientGraphQLMultiError as error:
            [conflict] = error.errors
            assert conflict.extensions == {"code": "CONFLICT", "currentVersion": 2}
        else:
            raise AssertionError("a version that is no longer the current one was written over")

        project_input = CreateProjectInput(name="Money", color=ProjectColor.GREEN)
        money = (await tasks.create_project(project_input)).create_project
        assert money
        assert money.project.color == ProjectColor.GREEN
        await tasks.update(rent.id, TaskPatch(project_id=money.project.id))
        within = TaskFilter(project_ids=[money.project.id, None])
        [node] = (await tasks.projects(first=10, filter_=within)).projects.nodes
        assert (node.name, node.task_count) == ("Money", 1)
        [task] = node.tasks.nodes
        assert task.project
        assert (task.title, task.project.name) == ("Pay rent", "Money")

        await tasks.delete([bank.id])
        changes = (await tasks.changes()).task_changes.nodes
        assert [(change.kind, change.task_id) for change in changes] == [
            (TaskChangeKind.SAVED, rent.id),
            (TaskChangeKind.PURGED, bank.id),
        ]
    print("the flow went through")


if __name__ == "__main__":
    asyncio.run(main())
