"""The page with GraphiQL."""

from playwright.sync_api import expect

from tests import plain, stack
from tests.e2e.person import Person


def test_graphiql_sends_only_requested_operations_with_the_users_token(ada: Person) -> None:
    ada.adds("Seen from GraphiQL")
    ada.requests.clear()
    sent: list[str] = []
    ada.page.on("request", lambda request: sent.append(request.post_data or "IntrospectionQuery"))
    ada.goes_to("/graphiql?query=mutation%20%7B%20evil%20%7D")
    run_button = ada.page.get_by_role("button", name="Execute query")
    expect(run_button).to_be_visible()
    expect(ada.page.locator(".graphiql-query-editor .view-lines")).to_be_visible()
    assert "evil" not in ada.page.locator(".graphiql-query-editor").inner_text()
    assert all("IntrospectionQuery" in body for body in sent), "nothing else ran on load"
    run_button.click()
    expect(ada.page.locator(".result-window")).to_contain_text("Seen from GraphiQL")
    own = (ada.site.url, ada.site.env["API_URL"], "blob:", "data:")
    assert [url for url in ada.requests if not url.startswith(own)] == []


def test_graphiql_requires_a_session(site: stack.Site) -> None:
    answer = plain.get(f"{site.url}/graphiql")
    assert answer.headers["location"].endswith("/sign-in?next=%2Fgraphiql")
