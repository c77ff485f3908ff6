/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables: columns as wide as what is in them. Where a line would be wider than the terminal, the widest
 * columns give way first. */
#include "ctl.h"

#define SEPARATOR 1 /* column between two */

typedef struct Cell {
        char *text;
        Colour colour;
} Cell;

struct Table {
        const char *const *headings;
        size_t n_columns;
        Cell *cells;
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
                free(table->cells[i].text);
        free(table->cells);
        free(table);
}

void table_add_colour(Table *table, char *cell, Colour colour)
{
        table->cells = must(reallocarray(table->cells, table->n_cells + 1, sizeof *table->cells));
        table->cells[table->n_cells++] = (Cell){cell, colour};
}

void table_add(Table *table, char *cell)
{
        table_add_colour(table, cell, COLOUR_NONE);
}

static size_t *widths_natural(const Table *table, bool has_headings)
{
        size_t n = table->n_columns;
        size_t *widths = must(calloc(n, sizeof *widths));
        for (size_t i = 0; i < n && has_headings; i++)
                widths[i] = text_width(table->headings[i]);
        for (size_t i = 0; i < table->n_cells; i++) {
                size_t width = text_width(table->cells[i].text);
                if (width > widths[i % n])
                        widths[i % n] = width;
        }
        return widths;
}

/* Takes columns off the widest until the line fits, first from those wider than their headings. */
static void widths_fit(const Table *table, size_t *widths, size_t limit)
{
        size_t line = SEPARATOR * (table->n_columns - 1);
        for (size_t i = 0; i < table->n_columns; i++)
                line += widths[i];
        for (bool keeps_headings = true; line > limit;) {
                size_t *widest = NULL;
                for (size_t i = 0; i < table->n_columns; i++)
                        if (widths[i] > (keeps_headings ? text_width(table->headings[i]) : 1) &&
                                (!widest || widths[i] >= *widest))
                                widest = &widths[i];
                if (!widest && !keeps_headings)
                        return; /* more columns than the terminal has */
                if (!widest) {
                        keeps_headings = false;
                        continue;
                }
                (*widest)--;
                line--;
        }
}

static void cell_print(const char *text, Colour text_colour, size_t width, bool is_last)
{
        _cleanup_free_ char *shown = text_cut(text, width);
        printf("%s%s%s", text_colour ? colour(text_colour) : "", shown,
                text_colour ? colour(COLOUR_NONE) : "");
        if (!is_last)
                printf("%*s", (int)(width - text_width(shown) + SEPARATOR), "");
}

void table_print(const Table *table, const Ctl *ctl, const char *noun)
{
        size_t n = table->n_columns, n_rows = table->n_cells / n;
        _cleanup_free_ size_t *widths = widths_natural(table, ctl->has_legend);
        widths_fit(table, widths, terminal_columns());

        for (size_t i = 0; i < n && ctl->has_legend && n_rows > 0; i++) {
                cell_print(table->headings[i], COLOUR_HEADING, widths[i], i + 1 == n);
                if (i + 1 == n)
                        putchar('\n');
        }
        for (size_t i = 0; i < table->n_cells; i++) {
                bool is_last = i % n + 1 == n;
                cell_print(table->cells[i].text, table->cells[i].colour, widths[i % n], is_last);
                if (is_last)
                        putchar('\n');
        }
        if (ctl->has_legend)
                printf("%s%zu %s%s listed.\n", n_rows > 0 ? "\n" : "", n_rows, noun, n_rows == 1 ? "" : "s");
}
