package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A statement is what PostgreSQL does with one entry.
type statement struct{ schema, sql string }

var (
	// insert only adds a row.
	insert = statement{
		`create table log(index bigserial primary key, entry bytea not null)`,
		`insert into log(entry) values ($1)`,
	}
	// chain adds a row with the hash of the one before and an id that may occur
	// once, under a lock of the head: what a plain log inside a database does.
	chain = statement{
		`create extension if not exists pgcrypto;
		 create table head(one bool primary key default true, hash bytea not null);
		 insert into head(hash) values ('');
		 create table log(index bigserial primary key, id uuid not null unique, entry bytea not null, hash bytea not null)`,
		`with before as (select hash from head for update),
		 added as (insert into log(id, entry, hash) select gen_random_uuid(), $1, sha256(before.hash || $1) from before returning hash)
		 update head set hash = added.hash from added`,
	}
)

// postgres is a server of its own in a folder, with synchronous commit.
type postgres struct {
	server *exec.Cmd
	pool   *pgxpool.Pool
	sql    string
}

func openPostgres(s statement) func(context.Context, string, int) (peer, error) {
	return func(ctx context.Context, dir string, callers int) (peer, error) {
		initdb, err := postgresTool("initdb")
		if err != nil {
			return nil, err
		}
		server, err := postgresTool("postgres")
		if err != nil {
			return nil, err
		}
		data := filepath.Join(dir, "data")
		sys, err := unprivileged(dir)
		if err != nil {
			return nil, err
		}
		prepare := exec.CommandContext(ctx, initdb, "-D", data, "-U", "lodd", "-A", "trust", "--no-sync")
		prepare.SysProcAttr, prepare.Dir = sys, dir
		if out, err := prepare.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("initdb: %w: %s", err, out)
		}
		p := &postgres{sql: s.sql}
		p.server = exec.Command(server, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections="+strconv.Itoa(callers+10))
		p.server.SysProcAttr, p.server.Dir = sys, dir
		if err := p.server.Start(); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
		if err := p.connect(ctx, fmt.Sprintf("host=%s user=lodd dbname=postgres pool_max_conns=%d", dir, callers), s.schema); err != nil {
			return nil, errors.Join(err, p.close())
		}
		return p, nil
	}
}

// connect waits until the server answers and makes the table.
func (p *postgres) connect(ctx context.Context, dsn, schema string) error {
	var err error
	if p.pool, err = pgxpool.New(ctx, dsn); err != nil {
		return err
	}
	for range 100 {
		if err = p.pool.Ping(ctx); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	_, err = conn.Conn().PgConn().Exec(ctx, schema).ReadAll()
	return err
}

func (p *postgres) append(ctx context.Context, _ int, entry []byte) error {
	_, err := p.pool.Exec(ctx, p.sql, entry)
	return err
}

func (p *postgres) close() error {
	if p.pool != nil {
		p.pool.Close()
	}
	if err := p.server.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	return p.server.Wait()
}

// postgresTool finds a program of the server, which Debian keeps off the path.
func postgresTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		return "", fmt.Errorf("%s: %w", name, errMissing)
	}
	return found[len(found)-1], nil
}

// unprivileged returns how to run as a user other than root, whom PostgreSQL
// refuses, and gives that user the folder.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		if who, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("no user to run it as: %w", errMissing)
		}
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}
