"""Users see only their own tasks, also one after another in the same browser."""

from playwright.sync_api import expect

from tests import plain, stack
from tests.e2e.person import TOKEN, Newcomer, Person


def test_two_users_see_only_their_own_tasks(site: stack.Site, newcomer: Newcomer) -> None:
    ada, bob = newcomer(site), newcomer(site)
    ada.signs_up()
    bob.has_an_account()

    ada.adds("Call the bank")
    ada.adds("Water the plants")
    ada.page.get_by_role("checkbox", name="Completed: Water the plants").check()
    ada.renames("Call the bank", "Write to the bank")
    expect(ada.task("Write to the bank")).to_be_visible()

    ada.clicks("Move to trash: Write to the bank")
    expect(ada.task("Write to the bank")).to_have_count(0)
    ada.clicks("Undo")
    expect(ada.task("Write to the bank")).to_be_visible()

    expect(bob.page.get_by_text("No open tasks")).to_be_visible()
    bob.page.reload()
    expect(bob.page.get_by_text("No open tasks")).to_be_visible()

    ada.signs_out()
    ada.goes_to("/tasks")
    ada.is_at("/sign-in?next=%2Ftasks")
    ada.submits("Sign in")
    ada.is_at("/tasks")
    expect(ada.task("Write to the bank")).to_be_visible()
    ada.clicks("Completed", "link")
    expect(ada.task("Water the plants")).to_be_visible()
    assert reached_by_id(ada, bob) == ["NOT_FOUND", "NOT_FOUND"]


def reached_by_id(owner: Person, thief: Person) -> list[str]:
    """Return the API's error codes for a user who requests the IDs of another."""
    told = []
    mine = f"Bearer {owner.page.evaluate(TOKEN)}"
    query = {"query": "{ tasks(filter: {status: [OPEN, COMPLETED]}) { nodes { id } } }"}
    url = f"{owner.site.api.url}/graphql"
    answer = plain.post(url, json=query, headers={"Authorization": mine}).json()
    for node in answer["data"]["tasks"]["nodes"]:
        stolen = {"query": "query ($id: ID!) { task(id: $id) { title } }", "variables": node}
        theirs = {"Authorization": f"Bearer {thief.page.evaluate(TOKEN)}"}
        [error] = plain.post(url, json=stolen, headers=theirs).json()["errors"]
        told.append(error["extensions"]["code"])
    return told


def test_next_user_of_the_same_browser_sees_nothing_of_the_first(ada: Person) -> None:
    ada.adds("Hers alone")
    field = ada.page.get_by_label("New task")
    ada.page.route("**/graphql", lambda route: route.abort())
    field.fill("Not saved yet")
    field.press("Enter")
    expect(ada.task("Not saved yet").get_by_label("Waiting to be saved")).to_be_visible()
    ada.keeps_edits(1)
    field.fill("half a thought")
    ada.signs_out()
    ada.keeps_edits(0)
    ada.page.unroute("**/graphql")
    ada.ignores_messages("ERR_FAILED")
    bob = ada
    bob.email = f"bob-{ada.email}"
    bob.goes_to("/sign-up")
    bob.submits("Create account")
    bob.is_at("/tasks")
    expect(bob.page.get_by_text("No open tasks")).to_be_visible()
    expect(bob.page.get_by_label("New task")).to_have_value("")
    for _ in range(3):  # sign-up, sign-in, and the first user's tasks
        bob.page.go_back()
        bob.page.wait_for_load_state("networkidle")
        expect(bob.page.get_by_text("Hers alone")).to_have_count(0)
        expect(bob.page.get_by_text("Not saved yet")).to_have_count(0)
