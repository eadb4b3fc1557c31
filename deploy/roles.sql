-- Create the roles with which the API and the web app log in. Neither role is a superuser, can bypass
-- row security, or has rights on the tables of the other. The API's role owns nothing.
--
-- Run this file with psql 15 or newer as the owner of the database, who must be allowed to create
-- roles. Then run `python -m api migrate` as the same owner. Run both again to change a password:
--   API_DATABASE_PASSWORD=… WEB_DATABASE_PASSWORD=… psql "$DATABASE_URL" -f deploy/roles.sql
\set ON_ERROR_STOP on
\set QUIET on
\getenv api_password API_DATABASE_PASSWORD
\getenv web_password WEB_DATABASE_PASSWORD
SET client_min_messages = warning;
-- The web app may create functions in the schema `public`. None of them must run here, or for the API.
SET search_path = pg_catalog;
BEGIN;

-- All databases of this server share the two roles without a login. Migrations grant them the rights
-- that the API needs. Its statements for an owner run as `bearer_tasks_caller` (docs/walls.md).
-- Without NOINHERIT, the API could read the owners' rows without changing its role.
SELECT format('CREATE ROLE %I NOLOGIN NOINHERIT', name)
FROM unnest(ARRAY['bearer_tasks_caller', 'bearer_tasks_api']) AS name
WHERE to_regrole(name) IS NULL \gexec
SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['tasks_api', 'tasks_web']) AS name
WHERE to_regrole(name) IS NULL \gexec
SELECT format('GRANT %I TO %I', held, member)
FROM (VALUES ('bearer_tasks_caller', 'bearer_tasks_api'), ('bearer_tasks_api', 'tasks_api'))
  AS granted (held, member)
WHERE NOT pg_has_role(member, held, 'MEMBER') \gexec

ALTER ROLE tasks_api LOGIN PASSWORD :'api_password';
ALTER ROLE tasks_web LOGIN PASSWORD :'web_password';
-- A pooler in transaction mode passes on no settings of a session, so set these for the role.
ALTER ROLE tasks_api SET statement_timeout = '4s';
ALTER ROLE tasks_api SET search_path = pg_catalog;
ALTER ROLE tasks_api SET idle_in_transaction_session_timeout = '60s';

GRANT CONNECT ON DATABASE :"DBNAME" TO tasks_api, tasks_web;
REVOKE TEMPORARY ON DATABASE :"DBNAME" FROM PUBLIC;

-- The web app migrates its own tables when it starts, so its role owns them. In an older
-- installation, they may belong to the role that runs this file.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO tasks_web;
SELECT 'GRANT tasks_web TO CURRENT_USER'
FROM pg_roles WHERE rolname = CURRENT_USER AND NOT rolsuper \gexec
SELECT format('ALTER TABLE %s OWNER TO tasks_web', oid::regclass)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  AND relowner = CURRENT_USER::regrole \gexec

COMMIT;
