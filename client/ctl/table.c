/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables: columns as wide as what is in them. Only the last column may hold other than ASCII. */
#include "ctl.h"

struct Table {
        const char *const *headings;
        size_t n_columns;
        char **cells;
        size_t n_cells;
};

Table *table_new(const char *const *headings)
{
        Table *table = must(calloc(1, sizeof *table));
        table->headings = headings;
        while (headings[table->n_columns])
                table->n_columns++;
        return table;
}

void table_free(Table *table)
{
        if (!table)
                return;
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i]);
        free(table->cells);
        free(table);
}

void table_add(Table *table, char *cell)
{
        table->cells = must(reallocarray(table->cells, table->n_cells + 1, sizeof *table->cells));
        table->cells[table->n_cells++] = cell;
}

static void row_print(const char *const *cells, const int *widths, size_t n)
{
        for (size_t i = 0; i + 1 < n; i++)
                printf("%-*s ", widths[i], cells[i]);
        printf("%s\n", cells[n - 1]);
}

void table_print(const Table *table, const Ctl *ctl)
{
        size_t n = table->n_columns;
        _cleanup_free_ int *widths = must(calloc(n, sizeof *widths));
        for (size_t i = 0; i < n && ctl->has_legend; i++)
                widths[i] = (int)strlen(table->headings[i]);
        for (size_t i = 0; i < table->n_cells; i++) {
                int width = (int)strlen(table->cells[i]);
                if (width > widths[i % n])
                        widths[i % n] = width;
        }

        if (ctl->has_legend)
                row_print(table->headings, widths, n);
        for (size_t i = 0; i + n <= table->n_cells; i += n)
                row_print((const char *const *)table->cells + i, widths, n);
}
